import {quoted, UsageError} from '../errors.js';
import {BRACKETS} from './brackets.js';
import type {Definition, Parameter} from './definition.js';
import {MOD_ADD} from './mod-add.js';
import {P_HOP} from './p-hop.js';

/** What every spec of a synthetic task begins with. */
const PREFIX = 'synthetic:';

const TASKS: Readonly<Record<string, Definition>> = {'p-hop': P_HOP, 'mod-add': MOD_ADD, brackets: BRACKETS};

/** The names of the synthetic tasks. */
export const SYNTHETIC_NAMES: readonly string[] = Object.keys(TASKS);

/** Questions fall into these by what they are; see `splitOf`. */
const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** What every task takes besides its own parameters. */
const COMMON = {
  seed: {default: 0, min: 0, max: 2 ** 31 - 1, what: 'seed of the questions'},
  rows: {default: 1000, min: 1, max: 10_000_000, what: 'questions'},
} satisfies Record<string, Parameter>;

/** How many questions there are to train on, and to ask, unless told otherwise. */
const DEFAULT_ROWS: Readonly<Record<Split, number>> = {train: 100_000, validation: 1000, test: 1000};

/** A synthetic task, as its spec tells it. */
export interface SyntheticSpec {
  name: string;
  definition: Definition;
  /** The task's own parameters, all of them. */
  parameters: Readonly<Record<string, number>>;
  seed: number;
  rows: number;
  split: Split;
}

/** Whether a spec is of a synthetic task, be it a right one or not. */
export const isSynthetic = (spec: string): boolean => spec.startsWith(PREFIX);

/**
 * Reads `synthetic:NAME?key=value&…`: the task's parameters, `seed`, `rows` and `split`, each at most once.
 * @param split - which questions are meant where the spec names no split
 * @throws UsageError naming the part that is wrong and what it may be
 */
export function parseSpec(spec: string, split: string): SyntheticSpec {
  const [, name, query] = /^synthetic:([^?]*)(?:\?(.*))?$/s.exec(spec) ?? [];
  const definition = name !== undefined && Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (name === undefined || !definition) {
    throw new UsageError(
      `${quoted(spec)} is no synthetic task; there are ${SYNTHETIC_NAMES.map((known) => PREFIX + known).join(', ')}.`,
    );
  }
  const given = pairs(spec, query);
  const named = splitNamed(spec, given.get('split') ?? split);
  given.delete('split');
  const known: Readonly<Record<string, Parameter>> = {...definition.parameters, ...COMMON};
  for (const key of given.keys()) {
    if (Object.hasOwn(known, key)) continue;
    throw new UsageError(
      `${quoted(spec)}: ${name} has no ${quoted(key)}; it has ${[...Object.keys(known), 'split'].join(', ')}.`,
    );
  }
  const values = Object.fromEntries(
    Object.entries(known).map(([key, parameter]) => [key, valueOf(spec, key, given.get(key), parameter)]),
  );
  const {seed, rows, ...parameters} = values as Record<'seed' | 'rows', number> & Record<string, number>;
  definition.check?.(parameters);
  return {
    name,
    definition,
    parameters,
    seed,
    rows: given.has('rows') ? rows : DEFAULT_ROWS[named],
    split: named,
  };
}

function pairs(spec: string, query: string | undefined): Map<string, string> {
  const given = new Map<string, string>();
  for (const pair of query === undefined ? [] : query.split('&')) {
    const [, key, value] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
    if (key === undefined || value === undefined) {
      throw new UsageError(
        `${quoted(spec)}: ${quoted(pair)} is no key=value; as synthetic:NAME?key=value&key=value.`,
      );
    }
    if (given.has(key)) throw new UsageError(`${quoted(spec)} has ${quoted(key)} twice.`);
    given.set(key, value);
  }
  return given;
}

function splitNamed(spec: string, value: string): Split {
  const found = SPLITS.find((split) => split === value);
  if (found) return found;
  throw new UsageError(
    `${quoted(spec)}: there is no split ${quoted(value)}; there are ${SPLITS.join(', ')}.`,
  );
}

function valueOf(spec: string, key: string, value: string | undefined, parameter: Parameter): number {
  if (value === undefined) return parameter.default;
  const {min, max, what} = parameter;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(
    `${quoted(spec)}: ${key} (${what}) is ${quoted(value)}; it must be a whole number from ${min} to ${max}.`,
  );
}

import {UsageError} from '../errors.js';
import {keyOf, todaysWord, type Option, type OptionsOf, type OptionTable, type SettingsOf} from './option.js';
import {fits, requirement} from './words.js';

/** Options by the library's names, with whatever else a library takes. */
type Given = Readonly<Record<string, unknown>>;

/**
 * Checks the options that a library was given: each by its kind and bounds, what it needs and what it excludes. Options
 * that are undefined are not given; what the table does not know is left alone.
 * @throws UsageError naming the option, its value and what it must be
 */
export function checkOptions<T extends OptionTable>(
  table: T,
  options: {readonly [Key in keyof OptionsOf<T>]?: unknown},
): void {
  const given = options as Given;
  for (const [name, option] of Object.entries(table)) {
    const value = given[keyOf(name, option)];
    if (value === undefined || value === null) continue;
    checkOption(name, option, value);
    requireCompany(table, given, name);
  }
}

/** Checks one option. @throws UsageError naming it, its value and what it must be */
export function checkOption(name: string, option: Option, value: unknown): void {
  if (option.kind === 'slot threshold') {
    const wrong = Object.entries(value as object).find((pair) => !isSlotThreshold(pair));
    if (!wrong) return;
    throw new UsageError(`${name} has ${wrong.join('=')}; each must be ${requirement(option)}.`);
  }
  if (!option.list) {
    if (isValue(option, value)) return;
    if (option.kind === 'choice') {
      throw new UsageError(`there is no ${name} ${told(value)}; there are ${option.choices.join(', ')}.`);
    }
    throw new UsageError(`${name} is ${told(value)}; it must be ${requirement(option)}.`);
  }
  if (!Array.isArray(value)) throw new UsageError(`${name} is ${told(value)}; it must be a list.`);
  const wrong: unknown = value.find((each) => !isValue(option, each));
  if (wrong !== undefined) {
    throw new UsageError(`${name} has ${told(wrong)}; each must be ${requirement(option)}.`);
  }
}

/**
 * The options with defaults filled in, in the order of the table, and nothing that it does not know.
 * @param computed - defaults that depend on the model or on other options, by the library's names
 */
export function withDefaults<T extends OptionTable, C extends OptionsOf<T>>(
  table: T,
  options: OptionsOf<T>,
  computed?: C,
): SettingsOf<T> & C {
  const given: Given = {...computed, ...withoutUndefined(options)};
  const entries = Object.entries(table).map(([name, option]) => {
    const key = keyOf(name, option);
    return [key, given[key] ?? option.default] as const;
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as SettingsOf<T> & C;
}

const withoutUndefined = (options: object): Given =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** Of options by the library's names, those that a table knows. */
export function optionsIn<T extends OptionTable>(table: T, options: OptionsOf<T>): OptionsOf<T> {
  const keys = Object.entries(table).map(([name, option]) => keyOf(name, option));
  return Object.fromEntries(Object.entries(options).filter(([key]) => keys.includes(key))) as OptionsOf<T>;
}

/**
 * The options with earlier names of choices replaced by today's.
 * @param onNote - called with a line for each that was replaced
 */
export function renamedChoices<O extends object>(
  table: OptionTable,
  options: O,
  onNote?: (line: string) => void,
): O {
  const now = {...options} as Record<string, unknown>;
  for (const [name, option] of Object.entries(table)) {
    const key = keyOf(name, option);
    const before = now[key];
    if (option.kind !== 'choice' || typeof before !== 'string') continue;
    const word = todaysWord(option, before);
    if (word === undefined) continue;
    now[key] = word;
    onNote?.(`${name} ${before} is called ${word} now.`);
  }
  return now as O;
}

function isValue(option: Exclude<Option, {kind: 'slot threshold'}>, value: unknown): boolean {
  switch (option.kind) {
    case 'whole':
      if (option.auto && value === 'auto') return true;
      return Number.isInteger(value) && (value as number) >= option.min && (value as number) <= option.max;
    case 'real':
      return typeof value === 'number' && fits(value, option);
    case 'choice':
      return typeof value === 'string' && option.choices.includes(value);
    case 'switch':
      return typeof value === 'boolean';
    case 'text':
      return typeof value === 'string' && value !== '';
    case 'bytes':
      return Number.isSafeInteger(value) && (value as number) > 0;
    case 'points':
      return typeof value === 'number' && value >= 0 && value < 1;
  }
}

/** Whether an entry is a slot's index with a threshold. */
const isSlotThreshold = ([slot, threshold]: readonly [string, unknown]): boolean =>
  /^\d+$/.test(slot) && typeof threshold === 'number' && threshold > 0 && threshold <= 1;

/** Refuses an option without what it needs, or beside what it excludes. */
function requireCompany(table: OptionTable, given: Given, name: string): void {
  const {needs = {}, excludes = []} = table[name]!;
  const asGiven = (other: string) => {
    const value = given[keyOf(other, table[other])];
    return Array.isArray(value) && value.length === 0 ? undefined : value;
  };
  const valueOf = (other: string) => asGiven(other) ?? table[other]?.default;
  for (const [other, wanted] of Object.entries(needs)) {
    const value = valueOf(other);
    if (wanted === true) {
      if (value === undefined) throw new UsageError(`${name} goes with ${other}; give ${other} too.`);
    } else if (typeof value !== 'string' || !value.split('+').includes(wanted)) {
      throw new UsageError(`${name} goes with ${other} ${wanted}; ${other} is ${told(value)}.`);
    }
  }
  const beside =
    asGiven(name) === undefined ? undefined : excludes.find((other) => asGiven(other) !== undefined);
  if (beside !== undefined) {
    throw new UsageError(`${name} and ${beside} are both given; give one of them.`);
  }
}

/** A value as a message shows it. */
const told = (value: unknown): string =>
  typeof value === 'number' || value === undefined ? String(value) : JSON.stringify(value);

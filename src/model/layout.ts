import {requireWhole, UsageError} from '../errors.js';
import type {LoraConfig} from './lora-config.js';

/** How the layers are arranged: each once, all in cycles, or head once, middle in cycles, tail once. */
export const LAYOUTS = ['vanilla', 'bc', 'htc', 'ztt'] as const;
export type Layout = (typeof LAYOUTS)[number];

export type Part = 'head' | 'middle' | 'tail';

/** The arrangement of a model's layers. */
export interface Arrangement {
  layout: Layout;
  /** Head and tail layers, each run once; 0 for `vanilla` and `bc`. */
  head: number;
  tail: number;
  cycles: number;
  /** For each middle layer, the source layers that it came from: one, or several that were averaged. */
  middleSources: number[][];
  /** Layers in the source model. */
  sourceLayers: number;
  /** The layers' LoRA matrices, if they have any. */
  lora?: LoraConfig;
}

/** One executed layer. */
export type Slot = {
  part: Part;
  /** 1-based. */
  cycle: number;
  /** The layer's index within its part. */
  place: number;
  /** The block's tensor names begin with this, for example `middle.3.`. */
  prefix: string;
  /** The source layers that the block came from. */
  sources: number[];
  /** The slot's LoRA tensor names begin with this, for example `lora.middle.3.shared.`. */
  lora?: string;
};

/** Upper bound on cycles: far beyond use, and a guard against a hostile config. */
export const MAX_CYCLES = 1000;

/** Upper bound on executed layers, for the same reasons. */
const MAX_SLOTS = 100_000;

/** The blocks that are stored, in source order, each with the slots' cycle 1. */
export function blocks(arrangement: Arrangement): Slot[] {
  const {head, tail, middleSources, sourceLayers} = arrangement;
  const block = (part: Part, place: number, sources: number[]): Slot => ({
    part,
    cycle: 1,
    place,
    prefix: `${part}.${place}.`,
    sources,
  });
  return [
    ...Array.from({length: head}, (_, i) => block('head', i, [i])),
    ...middleSources.map((sources, i) => block('middle', i, sources)),
    ...Array.from({length: tail}, (_, i) => block('tail', i, [sourceLayers - tail + i])),
  ];
}

/** The executed layers, in order (see `slots` in the reference): head, the middle `cycles` times, tail. */
export function slots(arrangement: Arrangement): Slot[] {
  const stored = blocks(arrangement);
  const {lora} = arrangement;
  const of = (part: Part, cycle: number): Slot[] =>
    stored
      .filter((block) => block.part === part)
      .map((block) => ({
        ...block,
        cycle,
        ...(lora && {lora: `lora.${block.prefix}${lora.per === 'cycle' ? cycle : 'shared'}.`}),
      }));
  const cycles = Array.from({length: arrangement.cycles}, (_, i) => i + 1);
  return [...of('head', 1), ...cycles.flatMap((cycle) => of('middle', cycle)), ...of('tail', 1)];
}

/**
 * The slots before which a model is taught to exit: the first of each cycle from `exitFromCycle` on. An exit inside a
 * cycle would leave the tail a state that it is never trained on.
 */
export const exitSlots = (arrangement: Arrangement, exitFromCycle: number): number[] =>
  slots(arrangement).flatMap(({part, cycle, place}, index) =>
    part === 'middle' && cycle >= exitFromCycle && place === 0 ? [index] : [],
  );

/** Whether the executed layers have zero tokens. */
export const hasZeroTokens = (layout: Layout): boolean => layout === 'ztt';

/** Whether a layout has head and tail layers outside the cycles. */
export const hasHeadAndTail = (layout: Layout): boolean => layout === 'htc' || layout === 'ztt';

/**
 * Checks an arrangement's numbers.
 * @throws UsageError naming the option and what it may be.
 */
export function checkArrangement(arrangement: Arrangement): void {
  const {layout, head, tail, cycles, sourceLayers} = arrangement;
  requireWhole('cycles', cycles, 1, MAX_CYCLES);
  requireWhole('head', head, 0, sourceLayers);
  requireWhole('tail', tail, 0, sourceLayers);
  const executed = head + tail + cycles * arrangement.middleSources.length;
  if (executed > MAX_SLOTS) {
    throw new UsageError(
      `${executed} layers would be executed; at most ${MAX_SLOTS} can be: use fewer cycles.`,
    );
  }
  if (layout === 'vanilla' && cycles !== 1) {
    throw new UsageError(`layout vanilla runs every layer once; cycles ${cycles} needs bc, htc or ztt.`);
  }
  if (!hasHeadAndTail(layout) && head + tail > 0) {
    throw new UsageError(`layout ${layout} has neither head nor tail layers; leave head and tail out.`);
  }
  if (head + tail >= sourceLayers) {
    throw new UsageError(
      `head ${head} + tail ${tail} leave no middle layer of the model's ${sourceLayers}; together they must be fewer.`,
    );
  }
}

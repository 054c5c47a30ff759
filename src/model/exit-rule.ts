import {requireWhole, UsageError} from '../errors.js';
import type {ModelConfig} from './config.js';
import type {ForwardOptions} from './forward.js';
import {hasZeroTokens, slots, type Layout} from './layout.js';

// Shapes: N tokens, H heads, S slots.

/**
 * What is compared with the threshold. `zero-attention`: z itself, as in the paper; it shares its softmax with every
 * key, so that it falls with the context's length. `length-normalised`: the zero token's weight against the mean
 * weight of the n causal keys, e^l0 / (e^l0 + mean_j e^lj) = z n / (z n + 1 - z), which does not.
 */
export const EXIT_SCORES = ['zero-attention', 'length-normalised'] as const;
export type ExitScore = (typeof EXIT_SCORES)[number];

/** Who exits: a whole sequence, or each token by itself. */
export const EXIT_GRANULARITIES = ['sequence', 'token'] as const;
export type ExitGranularity = (typeof EXIT_GRANULARITIES)[number];

/** When which slot is left out, for one model. */
export interface ExitRule {
  granularity: ExitGranularity;
  score: ExitScore;
  /** For each slot, whether it runs at all: not in cycles beyond `maxCycles`. */
  runs: readonly boolean[];
  /** For each slot, whether an exit could be checked before it, whatever the threshold. */
  eligible: readonly boolean[];
  /** For each slot, what the score must exceed; 1 where no exit is checked. */
  thresholds: readonly number[];
}

/**
 * The rule that options and a model's config make.
 * @throws UsageError naming the option that cannot be
 */
export function exitRule({arrangement, ztt}: ModelConfig, options: ForwardOptions): ExitRule {
  const {threshold = ztt?.threshold ?? 1, exitFromCycle = ztt?.exit_from_cycle ?? 2} = options;
  const {
    exitScore = ztt?.exit_score ?? 'zero-attention',
    exitGranularity = 'sequence',
    maxCycles = Infinity,
    slotThresholds = {},
  } = options;
  requireWhole('exitFromCycle', exitFromCycle, 1, Number.MAX_SAFE_INTEGER);
  if (maxCycles !== Infinity) requireWhole('maxCycles', maxCycles, 1, Number.MAX_SAFE_INTEGER);
  const order = slots(arrangement);
  const perSlot = typeof threshold === 'number' ? order.map(() => threshold) : threshold;
  if (perSlot.length !== order.length) {
    throw new UsageError(
      `there are ${perSlot.length} thresholds for ${order.length} slots; give one for each slot, or one for all.`,
    );
  }
  const wrong = [...perSlot, ...Object.values(slotThresholds)].find((value) => !(value > 0));
  if (wrong !== undefined)
    throw new UsageError(`threshold is ${wrong}; it must be above 0, and 1 never exits.`);
  const runs = order.map(({part, cycle}) => part !== 'middle' || cycle <= maxCycles);
  const eligible = order.map(
    ({part, cycle}, slot) =>
      hasZeroTokens(arrangement.layout) && part === 'middle' && cycle >= exitFromCycle && runs[slot]!,
  );
  requireEligible(arrangement.layout, slotThresholds, eligible);
  return {
    granularity: exitGranularity,
    score: exitScore,
    runs,
    eligible,
    thresholds: perSlot.map((value, slot) =>
      eligible[slot] ? Math.min(slotThresholds[slot] ?? value, 1) : 1,
    ),
  };
}

/** Refuses a slot's own threshold where it would never be looked at. */
function requireEligible(
  layout: Layout,
  slotThresholds: Readonly<Record<number, number>>,
  eligible: readonly boolean[],
): void {
  const wrong = Object.entries(slotThresholds).find(([slot]) => !eligible[Number(slot)]);
  if (!wrong) return;
  const what = `slot threshold ${wrong.join('=')} cannot be`;
  if (!hasZeroTokens(layout)) {
    throw new UsageError(
      `${what}: layout ${layout} has no zero tokens to exit by; leave it out, or convert to ztt.`,
    );
  }
  const [first, last] = [eligible.indexOf(true), eligible.lastIndexOf(true)];
  throw new UsageError(
    first < 0
      ? `${what}: exits are checked before no slot of this model; give a lower --exit-from-cycle.`
      : `${what}: exits are checked before slots ${first} to ${last}, counted from 0.`,
  );
}

/** For each exit that there could be, in the order of slots, what the score must exceed. */
export const exitThresholds = ({thresholds, eligible}: ExitRule): number[] =>
  thresholds.filter((_, slot) => eligible[slot]);

/** Whether any exit is checked. */
export const checksExits = ({thresholds}: ExitRule): boolean => thresholds.some((value) => value < 1);

/**
 * The score of each token: the mean over its heads.
 * @param z - zero attention [N, H]
 * @param keys - for each token, the causal keys it sees, itself among them
 */
export function tokenScores(z: Float32Array, keys: ArrayLike<number>, score: ExitScore): Float64Array {
  const N = keys.length;
  const H = z.length / N;
  const normalised = score === 'length-normalised';
  return Float64Array.from({length: N}, (_, token) => {
    let sum = 0;
    for (let i = token * H; i < (token + 1) * H; i++) {
      const n = normalised ? keys[token]! : 1;
      // For n = 1 it is z itself, to the bit.
      sum += n === 1 ? z[i]! : (z[i]! * n) / (1 + z[i]! * (n - 1));
    }
    return sum / H;
  });
}

/**
 * Refuses options that cannot be, and a threshold that was asked for and can change nothing.
 * @throws UsageError saying why
 */
export function requireExits(config: ModelConfig, options: ForwardOptions, what?: string): void {
  const rule = exitRule(config, options);
  const {threshold = 1} = options;
  const below = (typeof threshold === 'number' ? [threshold] : threshold).find((value) => value < 1);
  if (below === undefined) return;
  const {layout, cycles} = config.arrangement;
  const asked = what ?? `threshold ${below}`;
  if (!hasZeroTokens(layout)) {
    throw new UsageError(
      `${asked} cannot be: layout ${layout} has no zero tokens to exit by; leave it out, or convert to ztt.`,
    );
  }
  if (checksExits(rule)) return;
  throw new UsageError(
    `${asked} would change nothing: of this model's ${cycles} cycles none is checked; give a lower --exit-from-cycle.`,
  );
}

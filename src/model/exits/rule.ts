import {UsageError} from '../../errors.js';
import {checkOptions} from '../../options/index.js';
import type {ModelConfig} from '../config.js';
import type {ForwardOptions} from '../forward.js';
import {hasZeroTokens, slots, type Layout} from '../layout.js';
import {EXIT_OPTIONS, GRANULARITY_OPTIONS} from '../options.js';
import type {ExitGranularity} from './granularity.js';
import {EXIT_SIGNALS, type ExitScore, type ExitSignal} from './signals.js';

// Shapes: S slots.

/** What a rule is made of. */
export interface ExitRuleParts {
  granularity: ExitGranularity;
  score: ExitScore;
  /** Whether each slot runs at all, [S]: the middle slots of cycles beyond `maxCycles` do not. */
  runs: readonly boolean[];
  /** Whether an exit could be checked before each slot, whatever the threshold, [S]. */
  eligible: readonly boolean[];
  /** What the score must exceed before each slot, [S]; 1 where no exit is checked. */
  thresholds: readonly number[];
}

/**
 * When one model exits. This is the one place where an exit is decided: inference asks it while it runs, and whoever
 * has the scores of a finished pass asks it afterwards.
 */
export class ExitRule {
  readonly granularity: ExitGranularity;
  /** What decides. */
  readonly signal: ExitSignal;
  /** Whether each slot runs at all, [S]. */
  readonly runs: readonly boolean[];
  /** The slots before which an exit could be checked, whatever the threshold, in order. */
  readonly exits: readonly number[];
  private readonly thresholds: readonly number[];

  constructor({granularity, score, runs, eligible, thresholds}: ExitRuleParts) {
    this.granularity = granularity;
    this.signal = EXIT_SIGNALS[score];
    this.runs = runs;
    this.exits = eligible.flatMap((may, slot) => (may ? [slot] : []));
    this.thresholds = thresholds;
  }

  /** How many slots run for a token that never exits. */
  get depth(): number {
    return this.runs.filter(Boolean).length;
  }

  /** Whether any exit is checked. */
  get checksAny(): boolean {
    return this.thresholds.some((threshold) => threshold < 1);
  }

  /** Whether an exit could be checked before a slot, whatever the threshold. */
  mayExit(slot: number): boolean {
    return this.exits.includes(slot);
  }

  /** Whether an exit is checked before a slot. */
  checks(slot: number): boolean {
    return this.thresholds[slot]! < 1;
  }

  /** Whether what has this score before a slot exits there. */
  leaves(slot: number, score: number): boolean {
    return this.checks(slot) && score > this.thresholds[slot]!;
  }

  /**
   * Where a finished pass would have exited.
   * @param scores - its score before each slot of `exits`, in order
   * @returns the index of the first exit that it takes; null for full depth
   */
  firstExit(scores: readonly number[]): number | null {
    const exit = scores.findIndex((score, i) => this.leaves(this.exits[i]!, score));
    return exit < 0 ? null : exit;
  }
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
  checkOptions(
    {...EXIT_OPTIONS, ...GRANULARITY_OPTIONS},
    {...options, maxCycles: maxCycles === Infinity ? undefined : maxCycles},
  );
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
  const thresholds = perSlot.map((value, slot) =>
    eligible[slot] ? Math.min(slotThresholds[slot] ?? value, 1) : 1,
  );
  return new ExitRule({granularity: exitGranularity, score: exitScore, runs, eligible, thresholds});
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
  if (rule.checksAny) return;
  throw new UsageError(
    `${asked} would change nothing: of this model's ${cycles} cycles none is checked; give a lower --exit-from-cycle.`,
  );
}

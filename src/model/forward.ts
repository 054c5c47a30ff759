import type {ExitGranularity} from './exits/granularity.js';
import type {ExitScore} from './exits/signals.js';

// Shapes: B batch, T tokens, H heads, S slots, V vocabulary.

export interface ForwardOptions {
  /**
   * Exit when the exit score exceeds it; 1 never exits. One for all slots, or one for each [S]; only those of middle
   * slots count. Default: the checkpoint's, usually 1.
   */
  threshold?: number | readonly number[];
  /** Thresholds of single slots, by their index, in place of `threshold`'s there. Only slots where an exit is checked. */
  slotThresholds?: Readonly<Record<number, number>>;
  /** The first cycle (1-based) in which the exit is checked. Default: the checkpoint's, usually 2. */
  exitFromCycle?: number;
  /** What is compared with the threshold. Default: the checkpoint's, usually `zero-attention`. */
  exitScore?: ExitScore;
  /** Whether a sequence exits as a whole or each token by itself. Default `sequence`. */
  exitGranularity?: ExitGranularity;
  /** Cycles that run at all, in any layout: the middle slots of later ones do not. Default: all. */
  maxCycles?: number;
}

export interface LogitsOptions extends ForwardOptions {
  /** Tokens whose zero attention decides the exit of a sequence. Default: all of the row. */
  contextLength?: number;
}

export interface BatchOptions extends ForwardOptions {
  /** As in `LogitsOptions`, for every row or one a row. */
  contextLength?: number | readonly number[];
}

export interface LogitsResult {
  /** [B, T, V] */
  logits: Float32Array;
  shape: [number, number, number];
  /** Indices of the slots that ran, in order; with exits by token, for any of them. */
  slots: number[];
  /** How many slots ran for each token, [B, T]. */
  slotsPerToken: Int32Array;
  /** [slots run, B, H, T], or null for a layout without zero tokens and where tokens exit by themselves. */
  zeroAttention: Float32Array | null;
}

/** A row whose tokens from `from` on are scored, each given all before it. */
export interface ScoreRow {
  ids: readonly number[];
  /** Index of the first scored token, at least 1. */
  from: number;
  /** Tokens whose zero attention decides the exit of a sequence. */
  contextLength: number;
  /**
   * How many of its first tokens are those of the last row before it that shares none: the two are a question's
   * choices, say. They are computed once, with that row, and both exit where that row does; so `contextLength` is that
   * row's too, and not above this. Default 0.
   */
  shared?: number;
}

export interface ScoreOptions extends ForwardOptions {
  /** Whether to return the zero attention of every slot, at every threshold. */
  exitScores?: boolean;
}

/** For scores at every exit: which exits there are. */
export type ExitsOptions = Omit<ForwardOptions, 'threshold' | 'slotThresholds' | 'exitGranularity'>;

export interface RowScore {
  /** The log-probability of each scored token, in nats. */
  logProbabilities: Float32Array;
  /** Whether each scored token is the most likely one. */
  greedy: boolean[];
  /** Slots that ran; with exits by token, their mean over the tokens read. */
  slots: number;
  /** Slots that ran for each token read: all but the last. */
  slotsPerToken: Int32Array;
  exited: boolean;
  /** The score in each slot where an exit could be; see `StrandDepth`. Empty unless asked for. */
  exitScores: number[];
  /** The same for each token that is its own, where tokens exit by themselves. */
  tokenScores: Float64Array[];
  /** The mean zero attention in each slot that ran, over heads and the context. Empty unless asked for. */
  zeroAttention: number[];
  /** Of what was computed for this row: without the tokens it shares, and states that were scored before. */
  flops: number;
}

// Shapes: B batch, T tokens, H heads, S slots, V vocabulary.

export interface ForwardOptions {
  /** Exit when the mean zero attention exceeds it; 1 never exits. Default: the checkpoint's, usually 1. */
  threshold?: number;
  /** The first cycle (1-based) in which the exit is checked. Default: the checkpoint's, usually 2. */
  exitFromCycle?: number;
}

export interface LogitsOptions extends ForwardOptions {
  /** Tokens whose zero attention decides the exit. Default: all of the row. */
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
  /** Indices of the slots that ran, in order. */
  slots: number[];
  /** [slots run, B, H, T], or null for a layout without zero tokens. */
  zeroAttention: Float32Array | null;
}

/** A row whose tokens from `from` on are scored, each given all before it. */
export interface ScoreRow {
  ids: readonly number[];
  /** Index of the first scored token, at least 1. */
  from: number;
  /** Tokens whose zero attention decides the exit. */
  contextLength: number;
}

export interface RowScore {
  /** The log-probability of each scored token, in nats. */
  logProbabilities: Float32Array;
  /** Whether each scored token is the most likely one. */
  greedy: boolean[];
  /** Slots that ran. */
  slots: number;
  exited: boolean;
  /** The mean zero attention in each slot where an exit could be; see `RowDepth`. Empty unless asked for. */
  exitScores: number[];
  /** The mean zero attention in each slot that ran, over heads and the context. Empty unless asked for. */
  zeroAttention: number[];
  flops: number;
}

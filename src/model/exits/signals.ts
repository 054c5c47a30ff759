/** The signals that can decide an exit: each is one object of the table below. */

// Shapes: N tokens, H heads.

/** By what it is called: what a signal needs to know of the tokens it is asked about, at the slot it is asked before. */
export interface ExitEvidence {
  'zero-attention': {
    /** The weight of the zero token, [N, H]. */
    z: Float32Array;
    /** For each token, how many causal keys it sees, itself among them: [N]. */
    keys: ArrayLike<number>;
  };
}

/** A signal that needs one kind of evidence. */
interface SignalOf<Need extends keyof ExitEvidence> {
  /** The passes gather it, and nothing else. */
  needs: Need;
  /** The score of each token, [N], from 0 to 1: a token whose score exceeds the threshold exits. */
  score: (evidence: ExitEvidence[Need]) => Float64Array;
}

/** A signal that can decide an exit. */
export type ExitSignal = {[Need in keyof ExitEvidence]: SignalOf<Need>}[keyof ExitEvidence];

/** All signals by their names. A new one is an entry here, and, if it needs what no other does, an `ExitEvidence`. */
export const EXIT_SIGNALS = {
  /** The paper's. It shares its softmax with every key, so that it falls as the context grows. */
  'zero-attention': {
    needs: 'zero-attention',
    score: ({z, keys}) => meanOverHeads(z, keys, (zero) => zero),
  },
  /**
   * The zero token's weight against the mean weight of the n causal keys, which does not fall as the context grows:
   * e^l0 / (e^l0 + mean_j e^lj) = z n / (1 + z (n - 1)).
   */
  'length-normalised': {
    needs: 'zero-attention',
    // One key has the weight 1 - z: there it is z itself, to the bit.
    score: ({z, keys}) =>
      meanOverHeads(z, keys, (zero, n) => (n === 1 ? zero : (zero * n) / (1 + zero * (n - 1)))),
  },
} as const satisfies Record<string, ExitSignal>;

/** The name of a signal, as `--exit-score` and a checkpoint's config have it. */
export type ExitScore = keyof typeof EXIT_SIGNALS;
export const EXIT_SCORES = Object.keys(EXIT_SIGNALS) as [ExitScore, ...ExitScore[]];

/** For each token, the mean over its heads of a value for its zero attention and the keys it sees. */
function meanOverHeads(
  z: Float32Array,
  keys: ArrayLike<number>,
  of: (zero: number, keys: number) => number,
): Float64Array {
  const N = keys.length;
  const H = z.length / N;
  return Float64Array.from({length: N}, (_, token) => {
    let sum = 0;
    for (let i = token * H; i < (token + 1) * H; i++) sum += of(z[i]!, keys[token]!);
    return sum / H;
  });
}

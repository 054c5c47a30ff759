/** A sequence and the scores that decide its exits, at full depth: one score for each slot that may exit. */
interface ScoredSequence {
  scores: readonly number[];
}

/**
 * Thresholds at which given shares of sequences exit. A sequence exits at threshold P if and only if its largest score
 * exceeds P, so a threshold between two neighbours of the sorted largest scores parts the sequences. Where sequences tie,
 * the function takes the nearest share that a threshold can give, and the smaller of two that are equally near.
 * @param shares - of the sequences, from 0 to 1
 * @returns one threshold a share: the midpoint between the two scores that it parts; below the lowest score, half of it
 */
export function shareThresholds(sequences: readonly ScoredSequence[], shares: readonly number[]): number[] {
  const largest = sequences.map(({scores}) => Math.max(...scores)).sort((a, b) => b - a);
  const n = largest.length;
  // At cut k the first k sequences exit.
  const upper = (k: number) => (k === 0 ? 1 : largest[k - 1]!);
  const lower = (k: number) => (k === n ? 0 : largest[k]!);
  const cuts = Array.from({length: n + 1}, (_, k) => ({k, threshold: (upper(k) + lower(k)) / 2})).filter(
    // A midpoint may round to the upper score, whose sequence would then stay.
    ({k, threshold}) => threshold > 0 && (k === 0 || threshold < upper(k)) && threshold >= lower(k),
  );
  return shares.map((share) => {
    const wanted = Math.round(share * n);
    return cuts.reduce((best, cut) => (Math.abs(cut.k - wanted) < Math.abs(best.k - wanted) ? cut : best))
      .threshold;
  });
}

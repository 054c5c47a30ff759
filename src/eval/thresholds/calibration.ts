import {UsageError} from '../../errors.js';

/**
 * Thresholds at which given shares of rows exit. A row exits at threshold P if and only if the largest of its
 * exit scores exceeds P, so a threshold between two neighbours of the sorted largest scores parts the rows.
 * Where rows tie, the nearest share that a threshold can give, the smaller of two equally near.
 * @param exitScores - for each row, its mean zero attention in every slot where an exit could be: `exitScores`
 *   of `Model.score` at full depth
 * @param shares - of the rows that should exit, from 0 to 1
 * @returns a threshold a share: the midpoint between the two rows it parts, below the lowest row half its score
 * @throws UsageError for no rows, rows without scores, and shares that cannot be
 */
export function calibrationThresholds(
  exitScores: readonly (readonly number[])[],
  shares: readonly number[],
): number[] {
  if (exitScores.length === 0) {
    throw new UsageError('there are no rows to calibrate thresholds on.');
  }
  const largest = exitScores.map((scores, row) => {
    const score = Math.max(...scores);
    if (score >= 0 && score <= 1) return score;
    throw new UsageError(
      `row ${row} has no exit scores; only a model with zero tokens has, from the cycle on in which exits are checked, and only where they were asked for.`,
    );
  });
  largest.sort((a, b) => b - a);
  const n = largest.length;
  // Between row k - 1 and row k, the first k exit.
  const upper = (k: number) => (k === 0 ? 1 : largest[k - 1]!);
  const lower = (k: number) => (k === n ? 0 : largest[k]!);
  const cuts = Array.from({length: n + 1}, (_, k) => ({k, threshold: (upper(k) + lower(k)) / 2})).filter(
    // A midpoint may round to the upper row, which would then stay.
    ({k, threshold}) => threshold > 0 && (k === 0 || threshold < upper(k)) && threshold >= lower(k),
  );
  return shares.map((share) => {
    if (!(share >= 0 && share <= 1)) {
      throw new UsageError(`the share ${share} cannot be; shares are from 0 to 1.`);
    }
    const wanted = Math.round(share * n);
    return cuts.reduce((best, cut) => (Math.abs(cut.k - wanted) < Math.abs(best.k - wanted) ? cut : best))
      .threshold;
  });
}

import type {Model, RowScore} from '../src/index.js';
import {signalQuality} from '../src/score/index.js';

/** The paper's. */
export const THRESHOLDS = [0.2, 0.5, 0.7];
/** Tokens of context that decide an exit. */
const LENGTHS = [16, 64, 256];
/** Texts a length, and tokens of each that are scored. */
const ROWS = 48;
const SCORED = 64;
const BATCH = 8;

/** The exits of texts with a context of so many tokens. */
export interface ExitsAtLength {
  length: number;
  /** Over texts, of the context's mean zero attention in the first slot where an exit can be: 5th to 95th percentile. */
  zero: {low: number; mean: number; high: number};
  /** The cost of an exit there in nats per token, if every text takes it. */
  cost: number;
  /** Spearman's rank correlation, over texts, of zero attention and that cost: below 0 where it tells texts apart. */
  correlation: number;
  /** For each threshold, the share of texts that exit, and what that costs them. */
  shares: number[];
  costs: (number | null)[];
}

/**
 * Zero attention and exits at several lengths of context, over texts that do not overlap. What follows the context is
 * scored, as far as the model reads; where the context fills the model, its own last tokens are.
 */
export async function exitsAt(model: Model, tokens: readonly number[]): Promise<ExitsAtLength[]> {
  const {maxPositions} = model.config.arch;
  const results: ExitsAtLength[] = [];
  for (const length of LENGTHS) {
    const read = Math.min(length + SCORED, maxPositions);
    const rows = Array.from({length: ROWS}, (_, i) => ({
      ids: tokens.slice(i * (maxPositions + 1), i * (maxPositions + 1) + read + 1),
      from: read + 1 - SCORED,
      contextLength: length,
    }));
    const score = async (threshold: number) => {
      const scores: RowScore[] = [];
      for (let start = 0; start < ROWS; start += BATCH) {
        const batch = rows.slice(start, start + BATCH);
        scores.push(...(await model.score(batch, {threshold, exitScores: threshold === 1})));
      }
      return scores;
    };
    const full = await score(1);
    const costsOf = (scores: RowScore[]) => scores.map((each, i) => lossOf(each) - lossOf(full[i]!));
    const zeros = full.map(({exitScores}) => exitScores[0]!).sort((a, b) => a - b);
    const quantile = (share: number) => zeros[Math.floor(share * (ROWS - 1))]!;
    const shares: number[] = [];
    const costs: (number | null)[] = [];
    for (const threshold of THRESHOLDS) {
      const scores = await score(threshold);
      const exited = costsOf(scores).filter((_, i) => scores[i]!.exited);
      shares.push(exited.length / ROWS);
      costs.push(exited.length > 0 ? mean(exited) : null);
    }
    const zero = {low: quantile(0.05), mean: mean(zeros), high: quantile(0.95)};
    // Any zero attention exceeds so small a threshold.
    const all = costsOf(await score(1e-30));
    const {correlation} = signalQuality(all.map((cost, i) => ({score: full[i]!.exitScores[0]!, cost})));
    results.push({length, zero, cost: mean(all), correlation: correlation?.value ?? NaN, shares, costs});
  }
  return results;
}

const lossOf = ({logProbabilities}: RowScore): number =>
  -logProbabilities.reduce((sum, value) => sum + value, 0) / logProbabilities.length;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

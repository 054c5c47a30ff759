import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';

/** A text: what a signal says of it, and what an exit costs it. */
export interface JudgedText {
  /** The texts with the highest scores exit first. */
  score: number;
  /** The mean loss of its tokens at the exit less that at full depth, in nats. */
  cost: number;
}

/** A number, and the middle 95 % of what resampled texts give; null where it is not defined. */
export type Estimate = {value: number; low: number; high: number} | null;

/** How well a signal tells the texts that can exit from those that cannot. */
export interface SignalQuality {
  /** Spearman's rank correlation of score and cost: below 0 where the signal tells texts apart. */
  correlation: Estimate;
  /** By the share of texts that exit. */
  shares: {
    share: number;
    /** The mean cost of those that exit, in nats a token. */
    cost: Estimate;
    /**
     * That as a share of the mean cost of all: 1 as random exits, 0 free, below 0 better than full depth. Null where
     * the exit costs all texts together nothing.
     */
    of_random: Estimate;
  }[];
}

/** Shares of texts that exit, at which a signal is judged. */
const EXIT_SHARES = [0.25, 0.5, 0.75];
const RESAMPLES = 1000;

/**
 * Judges a signal by what texts that it lets exit lose. The intervals are percentiles of a bootstrap over texts, whose
 * draws are the same for every signal of as many texts.
 * @param texts - at least two
 */
export function signalQuality(
  texts: readonly JudgedText[],
  shares: readonly number[] = EXIT_SHARES,
): SignalQuality {
  const random = xoroshiro128plus(0);
  const draws = Array.from({length: RESAMPLES}, () =>
    texts.map(() => texts[uniformInt(random, 0, texts.length - 1)]!),
  );
  const all = mean(texts.map(({cost}) => cost));
  return {
    correlation: interval(correlationOf(texts), draws.map(correlationOf)),
    shares: shares.map((share) => {
      const cost = costAt(texts, share);
      const ratio = cost / all;
      const drawn = draws.map((some) => ({
        cost: costAt(some, share),
        all: mean(some.map((text) => text.cost)),
      }));
      return {
        share,
        cost: interval(
          cost,
          drawn.map((draw) => draw.cost),
        ),
        // Linear in the draws: the mean cost of some draws may be 0 or below, where a ratio says nothing.
        of_random:
          all > 0
            ? interval(
                ratio,
                drawn.map((draw) => ratio + (draw.cost - ratio * draw.all) / all),
              )
            : null,
      };
    }),
  };
}

const correlationOf = (texts: readonly JudgedText[]): number =>
  rankCorrelation(
    texts.map(({score}) => score),
    texts.map(({cost}) => cost),
  );

/**
 * The share of the variance of texts' costs that is not the luck of their tokens: no signal correlates with the costs
 * beyond its square root.
 * @param costs - for each text, the cost of each of its tokens; at least two texts of at least two tokens
 */
export function costReliability(costs: readonly Float64Array[]): number {
  const luck = mean(costs.map((own) => variance(own) / own.length));
  const spread = variance(Float64Array.from(costs, (own) => mean([...own])));
  return spread > 0 ? Math.max(0, 1 - luck / spread) : 0;
}

/** The mean cost of the texts with the highest scores; where scores tie, those that come first. */
function costAt(texts: readonly JudgedText[], share: number): number {
  const exiting = Math.max(1, Math.round(share * texts.length));
  const order = [...texts].sort((a, b) => b.score - a.score);
  return mean(order.slice(0, exiting).map(({cost}) => cost));
}

/** Spearman's rank correlation; values that tie share the mean of their ranks. */
function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [i, value] of x.entries()) {
    const [dx, dy] = [value - meanX, y[i]! - meanY];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xy / Math.sqrt(xx * yy);
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const result = new Array<number>(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (const i of order.slice(start, end)) result[i] = (start + end - 1) / 2;
    start = end;
  }
  return result;
}

function interval(value: number, resampled: readonly number[]): Estimate {
  if (!Number.isFinite(value)) return null;
  const sorted = resampled.filter(Number.isFinite).sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? value;
  return {value, low: Math.min(value, at(0.025)), high: Math.max(value, at(0.975))};
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function variance(values: Float64Array): number {
  const centre = mean([...values]);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

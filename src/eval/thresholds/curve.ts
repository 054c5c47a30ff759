import {UsageError} from '../../errors.js';
import type {CurvePoint} from '../../model/index.js';
import type {Measured} from './estimate.js';

export type {CurvePoint};

/** The lowest threshold that is tried: below it no exit score lies. */
const LOWEST = 1e-6;
/** Thresholds as near as this, relatively, are not parted. */
const NEAREST = 1e-3;

/**
 * Accuracy and cost by threshold, from full depth to exits everywhere: the widest gap in cost is halved again and
 * again. Thresholds of equal cost are one point, the largest.
 * @param at - what a threshold gives
 * @param evaluations - thresholds tried, at most
 * @returns the points, the deepest first
 */
export async function traceCurve(
  at: (threshold: number) => Promise<Measured>,
  evaluations: number,
): Promise<CurvePoint[]> {
  const point = async (threshold: number): Promise<CurvePoint> => ({threshold, ...(await at(threshold))});
  const points = [await point(1), await point(LOWEST)];
  while (points.length < evaluations) {
    const gaps = points.slice(1).map((lower, i) => ({i, gap: gapOf(points[i]!, lower)}));
    const widest = gaps.reduce((best, each) => (each.gap > best.gap ? each : best), {i: -1, gap: 0});
    if (widest.gap === 0) break;
    const [upper, lower] = [points[widest.i]!.threshold, points[widest.i + 1]!.threshold];
    const between = upper > 4 * lower ? Math.sqrt(upper * lower) : (upper + lower) / 2;
    points.splice(widest.i + 1, 0, await point(between));
  }
  return points.filter((each, i) => i === 0 || each.flops_ratio.value !== points[i - 1]!.flops_ratio.value);
}

/** How much lies between two points that could be parted. */
const gapOf = (upper: CurvePoint, lower: CurvePoint): number =>
  upper.threshold - lower.threshold < NEAREST * upper.threshold
    ? 0
    : upper.flops_ratio.value - lower.flops_ratio.value;

/** Compute that is asked for: so many times the source's, or so many FLOPs a token. */
export interface Budget {
  unit: 'source' | 'flops';
  value: number;
}

const UNITS: Record<string, number> = {'': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12};

/**
 * A budget as it is written: `1.2` or `1.2x` of the source, or FLOPs a token, as `8.5M` or `8500000FLOPs`.
 * @throws UsageError for anything else
 */
export function parseBudget(text: string): Budget {
  const [, digits, unit = '', word] = /^(\d+\.?\d*|\.\d+)([xkMGT]?)(FLOPs)?$/.exec(text) ?? [];
  const value = Number(digits);
  if (!(value > 0) || (unit === 'x' && word)) {
    throw new UsageError(
      `budget ${JSON.stringify(text)} cannot be; it is a number of times the source's FLOPs, as 1.2, or FLOPs a token with a unit, as 8.5M.`,
    );
  }
  const relative = unit === 'x' || (unit === '' && !word);
  return relative ? {unit: 'source', value} : {unit: 'flops', value: value * UNITS[unit]!};
}

/** Relative slack at the ends of what can be reached. */
const SLACK = 0.005;

/**
 * The deepest point of a curve that is within a budget.
 * @param hint - what else could reach a budget, for the message
 * @throws UsageError naming what can be reached, for a budget beyond either end
 */
export function pointWithin(curve: readonly CurvePoint[], budget: Budget, hint = ''): CurvePoint {
  const cost = (point: CurvePoint) =>
    budget.unit === 'source' ? point.flops_ratio.value : point.flops_per_token;
  const [deepest, shallowest] = [curve[0]!, curve.at(-1)!];
  if (budget.value > cost(deepest) * (1 + SLACK) || budget.value < cost(shallowest) * (1 - SLACK)) {
    const show = (value: number) =>
      budget.unit === 'source' ? value.toFixed(3) : `${(value / 1e6).toPrecision(4)}M`;
    throw new UsageError(
      `no threshold reaches a budget of ${show(budget.value)}; thresholds reach from ${show(cost(shallowest))} to ${show(cost(deepest))}.${hint}`,
    );
  }
  return curve.find((point) => cost(point) <= budget.value * (1 + Number.EPSILON)) ?? shallowest;
}

/**
 * The cheapest point before accuracy falls by more than `drop` below full depth: all deeper ones keep it too, so that
 * luck at one threshold counts little.
 * @param drop - as a share: 0.01 is one point
 * @throws UsageError for a curve of documents alone, which have no accuracy
 */
export function pointBeforeDrop(curve: readonly CurvePoint[], drop: number): CurvePoint {
  const full = curve[0]!.accuracy;
  if (full === null) {
    throw new UsageError('a drop in accuracy needs a task with questions; documents alone have none.');
  }
  const worse = curve.findIndex(({accuracy}) => accuracy!.value < full.value - drop - Number.EPSILON);
  return worse < 0 ? curve.at(-1)! : curve[worse - 1]!;
}

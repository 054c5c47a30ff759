import {measureOf, pairedDifference, type Difference, type Item, type Seeds} from './bootstrap.js';
import type {Outcome} from './outcome.js';
import type {ComparisonPlan} from './plan.js';

/** What a row gave by one measure. */
export interface Measured {
  /** acc (higher is better), or bits_per_byte or loss (lower is better). */
  metric: string;
  /** The mean over seeds. */
  value: number;
  /** Its standard error: over seeds, or over questions where there is one seed; null for the loss of one seed. */
  error: number | null;
  /** FLOPs, as a multiple of the source's for the same tokens. */
  flopsRatio: number;
  meanSlots: number;
  /** To vanilla, trained for as much, at full depth; null for itself and where there is nothing to compare. */
  difference: Difference | null;
  /** Whether no other row is at least as good for no more FLOPs. */
  pareto: boolean;
}

/** A line of the table: the source, or a variant at a threshold. */
export interface Row {
  model: string;
  threshold: number;
  parameters: number;
  /** At full depth. */
  slots: number;
  seeds: number;
  /** Means over seeds; null for the source. */
  training: {steps: number; flops: number} | null;
  /** By task, and under `HELD_OUT` for the held-out text. */
  measures: Record<string, Measured>;
}

/** The held-out text's name among measures. */
export const HELD_OUT = 'held-out text';

export const SOURCE_ROW = 'source, untouched';

/** What has come of a comparison's cells so far. */
export interface Outcomes {
  source: Outcome | null;
  /** Of each variant, by seed. */
  variants: ReadonlyMap<number, Outcome>[];
}

/** What one row gave by one measure, of each seed. */
interface Cell {
  seed: number;
  metric: string;
  value: number;
  items: readonly Item[] | null;
  flopsRatio: number;
  meanSlots: number;
}

type Draft = Omit<Row, 'measures'> & {cells: Map<string, Cell[]>};

/** The table: the source, then every variant at each of its thresholds, of what is there. */
export function summarise({variants}: ComparisonPlan, outcomes: Outcomes): Row[] {
  const vanilla = variants.findIndex(({layout}) => layout === 'vanilla');
  const trained = outcomes.variants[vanilla]!;
  const drafts: Draft[] = [];
  if (outcomes.source) drafts.push(sourceDraft(outcomes.source, trained));
  const before = new Map([...trained].map(([seed, {training}]) => [seed, training?.before?.flops_per_token]));
  for (const [index, {name}] of variants.entries()) {
    drafts.push(...variantDrafts(name, outcomes.variants[index]!, before));
  }
  const baseline = drafts.find(({model, threshold}) => model === variants[vanilla]!.name && threshold === 1);
  const rows = drafts.map((draft): Row => {
    const {cells, ...row} = draft;
    const measures = [...cells].map(([name, own]) => {
      const other = draft === baseline ? undefined : baseline?.cells.get(name);
      return [name, measured(own, other)] as const;
    });
    return {...row, measures: Object.fromEntries(measures)};
  });
  markPareto(rows);
  return rows;
}

function sourceDraft(source: Outcome, vanilla: ReadonlyMap<number, Outcome>): Draft {
  const cells = taskCells(source, 1, 0);
  const heldOut = [...vanilla].flatMap(([seed, {training}]): Cell[] => {
    const before = training?.before;
    if (!before) return [];
    const {loss: value, mean_slots: meanSlots} = before;
    return [{seed, metric: 'loss', value, items: null, flopsRatio: 1, meanSlots}];
  });
  if (heldOut.length > 0) cells.set(HELD_OUT, heldOut);
  const {parameters, slots} = source;
  return {model: SOURCE_ROW, threshold: 1, parameters, slots, seeds: 1, training: null, cells};
}

function variantDrafts(
  model: string,
  bySeed: ReadonlyMap<number, Outcome>,
  sourceFlops: ReadonlyMap<number, number | undefined>,
): Draft[] {
  const [first] = bySeed.values();
  if (!first) return [];
  const {parameters, slots} = first;
  const runs = [...bySeed.values()].flatMap(({training}) => training ?? []);
  const training = {
    steps: mean(runs.map(({steps}) => steps)),
    flops: mean(runs.map(({flops}) => flops)),
  };
  return first.thresholds.map(({threshold}) => {
    const cells = new Map<string, Cell[]>();
    const add = (name: string, cell: Cell) => cells.set(name, [...(cells.get(name) ?? []), cell]);
    for (const [seed, outcome] of bySeed) {
      for (const [name, [cell]] of taskCells(outcome, threshold, seed)) add(name, cell!);
      const heldOut = outcome.thresholds.find((each) => each.threshold === threshold)?.held_out;
      const source = sourceFlops.get(seed);
      if (!heldOut || source === undefined) continue;
      const {loss: value, mean_slots: meanSlots, flops_per_token: flops} = heldOut;
      add(HELD_OUT, {seed, metric: 'loss', value, items: null, flopsRatio: flops / source, meanSlots});
    }
    return {model, threshold, parameters, slots, seeds: bySeed.size, training, cells};
  });
}

function taskCells(outcome: Outcome, threshold: number, seed: number): Map<string, Cell[]> {
  const at = outcome.thresholds.find((each) => each.threshold === threshold);
  return new Map(
    Object.entries(at?.tasks ?? {}).map(([task, {metric, items, ...cost}]) => {
      const value = measureOf([items]);
      const {flops_ratio_to_source: flopsRatio, mean_slots: meanSlots} = cost;
      return [task, [{seed, metric, value, items, flopsRatio, meanSlots}]];
    }),
  );
}

function measured(cells: readonly Cell[], baseline: readonly Cell[] | undefined): Measured {
  const values = cells.map(({value}) => value);
  return {
    metric: cells[0]!.metric,
    value: mean(values),
    error: values.length > 1 ? standardError(values) : questionError(cells[0]!),
    flopsRatio: mean(cells.map(({flopsRatio}) => flopsRatio)),
    meanSlots: mean(cells.map(({meanSlots}) => meanSlots)),
    difference: baseline ? differenceOf(cells, baseline) : null,
    pareto: false,
  };
}

/** Of the seeds that both have; the source's one cell goes with every seed. */
function differenceOf(cells: readonly Cell[], baseline: readonly Cell[]): Difference | null {
  const pairs = baseline.flatMap((other) => {
    const own = cells.find(({seed}) => seed === other.seed) ?? (cells.length === 1 ? cells[0] : undefined);
    return own ? [[own, other] as const] : [];
  });
  const itemsOf = (side: 0 | 1): Seeds =>
    pairs.flatMap((pair) => (pair[side].items ? [pair[side].items] : []));
  const [a, b] = [itemsOf(0), itemsOf(1)];
  return a.length > 0 && a.length === b.length ? pairedDifference(a, b) : null;
}

function markPareto(rows: readonly Row[]): void {
  const names = new Set(rows.flatMap(({measures}) => Object.keys(measures)));
  for (const name of names) {
    const all = rows.flatMap(({measures}) => measures[name] ?? []);
    const sign = all[0]!.metric === 'acc' ? 1 : -1;
    const beats = (a: Measured, b: Measured) =>
      a.flopsRatio <= b.flopsRatio &&
      sign * a.value >= sign * b.value &&
      (a.flopsRatio < b.flopsRatio || sign * a.value > sign * b.value);
    for (const each of all) each.pareto = !all.some((other) => beats(other, each));
  }
}

/** Of a ratio of sums over questions (Cochran 1977, chapter 6); of an accuracy, that of a mean. */
function questionError({items, value}: Cell): number | null {
  if (!items || items.length < 2) return null;
  const n = items.length;
  const weight = items.reduce((sum, item) => sum + item.weight, 0);
  const squares = items.reduce((sum, item) => sum + (item.value - value * item.weight) ** 2, 0);
  return Math.sqrt((n / (n - 1)) * squares) / weight;
}

function standardError(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

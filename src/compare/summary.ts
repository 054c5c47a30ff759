import {measureOf, pairedDifference, type Difference, type Item, type Seeds} from './bootstrap.js';
import type {Measured, Row} from './comparison.js';
import type {Outcome, TaskOutcome} from './outcome.js';
import type {ComparisonPlan} from './plan.js';

/** The held-out text's name among measures. */
const HELD_OUT = 'held-out text';

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
  for (const [index, {name}] of variants.entries()) {
    drafts.push(...variantDrafts(name, outcomes.variants[index]!));
  }
  const baseline = drafts.find(({model}) => model === variants[vanilla]!.name);
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
  const [{tasks}] = source.exits as [Exit];
  const cells = new Map(Object.entries(tasks).map(([name, outcome]) => [name, [cellOf(outcome, 0)]]));
  const {parameters, slots} = source;
  const heldOut = [...vanilla].flatMap(([seed, {training}]): Cell[] => {
    const value = training?.before;
    if (typeof value !== 'number') return [];
    return [{seed, metric: 'loss', value, items: null, flopsRatio: 1, meanSlots: slots}];
  });
  if (heldOut.length > 0) cells.set(HELD_OUT, heldOut);
  return {
    model: SOURCE_ROW,
    threshold: 1,
    share: null,
    learned: null,
    parameters,
    slots,
    seeds: 1,
    training: null,
    cells,
  };
}

type Exit = Outcome['exits'][number];

function variantDrafts(model: string, bySeed: ReadonlyMap<number, Outcome>): Draft[] {
  const [first] = bySeed.values();
  if (!first) return [];
  const {parameters, slots} = first;
  const runs = [...bySeed.values()].flatMap(({training}) => training ?? []);
  const before = runs.flatMap((run) => run.before ?? []);
  const training = {
    steps: mean(runs.map(({steps}) => steps)),
    flops: mean(runs.map(({flops}) => flops)),
    before: before.length > 0 ? mean(before) : null,
  };
  return first.exits.map(({threshold, share, learned}, place) => {
    const cells = new Map<string, Cell[]>();
    for (const [seed, {exits}] of bySeed) {
      const {tasks, held_out: heldOut} = exits[place]!;
      const all = heldOut ? {...tasks, [HELD_OUT]: heldOut} : tasks;
      for (const [name, outcome] of Object.entries(all)) {
        cells.set(name, [...(cells.get(name) ?? []), cellOf(outcome, seed)]);
      }
    }
    return {model, threshold, share, learned, parameters, slots, seeds: bySeed.size, training, cells};
  });
}

function cellOf({metric, items, ...cost}: TaskOutcome, seed: number): Cell {
  const {flops_ratio_to_source: flopsRatio, mean_slots: meanSlots} = cost;
  return {seed, metric, value: measureOf([items]), items, flopsRatio, meanSlots};
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

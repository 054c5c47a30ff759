import {join} from 'node:path';
import {withLock, writeFileWhole} from '../files/index.js';
import {InterruptedError, ZttError} from '../errors.js';
import type {Comparison} from './comparison.js';
import {comparisonPage} from './html-report.js';
import {readOutcome, type Outcome} from './outcome.js';
import {planComparison, type ComparisonPlan} from './plan.js';
import {doAll, type Failure, type NamedJob} from './pool.js';
import type {CompareOptions} from './settings.js';
import {SOURCE_ROW, summarise, type Outcomes} from './summary.js';

/** The share of a job that is training; the rest is scoring. */
const TRAINING_SHARE = 0.9;

/**
 * Compares layouts, and options of them, as the paper does: converts the source once for each, trains all under one
 * budget, scores all on the same tasks. Whatever of it is in the output folder already is not done again, and a run
 * goes on from its newest checkpoint. The results are written anew whenever a model is there.
 * @throws as `planComparison`; FileError if another process is comparing into the same folder; InterruptedError once the signal aborts; ZttError if some cells failed, once all others
 *   are there
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  return withLock(options.output, async () => compareAll(await planComparison(options), options), options);
}

async function compareAll(plan: ComparisonPlan, options: CompareOptions): Promise<Comparison> {
  const jobs = jobsOf(plan);
  const names = [SOURCE_ROW, ...plan.runs.map(({name}) => name)];
  const done = () => names.length - waiting.size;
  const waiting = new Set(jobs.map(({name}) => name));
  const running = new Set<string>();
  const progress = progressOf(plan, options.onProgress);
  const failures = await doAll(jobs, {
    size: plan.jobs,
    signal: options.signal,
    onBegin: (name) => running.add(name),
    onShare: (name, share) => progress(name, TRAINING_SHARE * share, running),
    onDone: async (name) => {
      running.delete(name);
      waiting.delete(name);
      progress(name, 1, running);
      options.onDone?.(name, await report(plan, {all: names.length, done: done()}));
    },
  });
  if (options.signal?.aborted) {
    throw new InterruptedError('the comparison was stopped; the same command goes on with it.');
  }
  const comparison = await report(plan, {all: names.length, done: done()});
  if (failures.length > 0) throw failed(failures, names.length);
  return comparison;
}

/** What is left to do: the longest first, so that none is left alone at the end. */
function jobsOf({settings, threads, source, runs}: ComparisonPlan): NamedJob[] {
  const jobs = [...runs]
    .sort((a, b) => b.takes.flops - a.takes.flops)
    .map((run) => ({name: run.name, job: {settings, threads, run, evaluations: run.evaluations}}));
  const all = [...jobs, {name: SOURCE_ROW, job: {settings, threads, run: null, evaluations: [source]}}];
  return all
    .map(({name, job}) => {
      return {name, job: {...job, evaluations: job.evaluations.filter(({done}) => !done)}};
    })
    .filter(({job}) => job.evaluations.length > 0);
}

/** Adds the jobs' shares up by their FLOPs. */
function progressOf(plan: ComparisonPlan, onProgress: CompareOptions['onProgress']) {
  const costs = new Map(plan.runs.map(({name, takes}) => [name, takes.flops]));
  const total = [...costs.values()].reduce((sum, flops) => sum + flops, 0);
  const finished = plan.runs.filter(({evaluations}) => evaluations.every(({done}) => done));
  const shares = new Map(finished.map(({name}) => [name, 1]));
  return (name: string, share: number, running: ReadonlySet<string>) => {
    shares.set(name, share);
    const done = [...shares].reduce((sum, [each, part]) => sum + part * (costs.get(each) ?? 0), 0);
    onProgress?.(done, total, [...running]);
  };
}

/** Writes what is there so far. */
async function report(plan: ComparisonPlan, cells: Comparison['cells']): Promise<Comparison> {
  const {settings} = plan;
  const outcomes = await readOutcomes(plan);
  const [any] = [outcomes.source, ...outcomes.variants.flatMap((each) => [...each.values()])].filter(
    (outcome) => outcome !== null,
  );
  const comparison: Comparison = {
    version: 1,
    source: settings.sourceName,
    output: settings.output,
    budget: settings.budget,
    seeds: settings.seeds,
    engine: any?.engine ?? null,
    rows: summarise(plan, outcomes),
    cells,
  };
  await writeFileWhole(join(settings.output, 'comparison.json'), `${JSON.stringify(comparison, null, 2)}\n`);
  await writeFileWhole(join(settings.output, 'comparison.html'), comparisonPage(comparison));
  return comparison;
}

async function readOutcomes({variants, runs, source}: ComparisonPlan): Promise<Outcomes> {
  const bySeed = variants.map(() => new Map<number, Outcome>());
  for (const {seed, evaluations} of runs) {
    for (const {variant, path} of evaluations) {
      const outcome = await readOutcome(path);
      if (outcome) bySeed[variant!]!.set(seed, outcome);
    }
  }
  return {source: await readOutcome(source.path), variants: bySeed};
}

function failed(failures: readonly Failure[], all: number): ZttError {
  const told = failures.map(({name, message}) => `${name}: ${message}`).join('\n');
  return new ZttError(
    `${failures.length} of ${all} models failed; the others are in the results, and the same command tries again.\n${told}`,
  );
}

import {stat} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {join} from 'node:path';
import {asFileError, exists, jsonSha256} from '../files/index.js';
import {readOutcome} from './outcome.js';
import {arrange, planConversion} from '../convert/index.js';
import {FileError, UsageError} from '../errors.js';
import {planFinetuneOf, type RunPlan} from '../finetune/index.js';
import {openDataset} from '../hub/index.js';
import {exitRule, readModelConfig, type ModelConfig} from '../model/index.js';
import {stepsWithin} from './budget.js';
import {sourceIdentity, taskIdentity} from './identity.js';
import {openText} from './text.js';
import {comparisonSettings, type CompareOptions, type ComparisonSettings} from './settings.js';
import {
  variants,
  type ConvertSettings,
  type ExitSettings,
  type TrainSettings,
  type Variant,
} from './variants.js';

/** Counts up when the same cell gives something else. */
const VERSION = 1;
/** Of a cell's sha256, in the names of its files. */
const KEY_DIGITS = 12;
/** A name in the output folder that nothing has: to plan a conversion writes nothing. */
const NOWHERE = 'converted';
/** A threshold that exits by, where exits are checked at all. */
const MIDDLING = 0.5;

/** How a model is scored, and the file that the outcome goes to. */
export interface PlannedEvaluation {
  /** The variant's place in the plan; null for the source. */
  variant: number | null;
  path: string;
  exits: ExitSettings;
  thresholds: readonly number[];
  /** Penalties to learn thresholds with. */
  penalties: readonly number[];
  /** Shares of the training text to choose thresholds by. */
  exitShares: readonly number[];
  done: boolean;
}

/** A model to train, once for all variants that differ in how it is scored alone. */
export interface PlannedRun {
  /** `ztt, cycles 3, seed 1`. */
  name: string;
  seed: number;
  folder: string;
  convert: ConvertSettings;
  train: TrainSettings & {steps: number};
  takes: RunPlan;
  trained: boolean;
  evaluations: PlannedEvaluation[];
}

/** A comparison, of which nothing is done but what was done before. */
export interface ComparisonPlan {
  settings: ComparisonSettings;
  variants: Variant[];
  source: PlannedEvaluation;
  runs: PlannedRun[];
  /** Runs at a time, and the threads of each. */
  jobs: number;
  threads: number;
}

/**
 * Decides every cell of a comparison. Reads the source's config and hashes its weights, tokenises the data and opens
 * the tasks; trains and scores nothing.
 * @throws UsageError for options that cannot be, of the comparison or of any of its conversions, runs and evaluations;
 *   FileError and FormatError for the source, data and tasks
 */
export async function planComparison(options: CompareOptions): Promise<ComparisonPlan> {
  const settings = comparisonSettings(options);
  const {layouts, axes, output} = settings;
  await requireFolder(output);
  const all = variants(layouts, axes);
  const source = await readModelConfig(settings.source);
  // What cannot be is told before data and tasks are read.
  const models: Model[] = [];
  for (const [index, variant] of all.entries()) {
    models.push(...(await modelsOf(settings, source, index, variant)));
  }
  const tasks = await taskIdentities(options, settings);
  const identity = {
    version: VERSION,
    source: await sourceIdentity(settings.source),
    data: await dataIdentity(options, settings, source, models[0]!.train),
  };
  const evaluationOf = async (
    folder: string,
    variant: number | null,
    exits: ExitSettings,
    mayExit: boolean,
  ): Promise<PlannedEvaluation> => {
    const thresholds = mayExit ? settings.thresholds : [1];
    const penalties = mayExit ? settings.penalties : [];
    const exitShares = mayExit ? settings.exitShares : [];
    // Without shares the key is that of the versions that knew none.
    const shares = exitShares.length > 0 ? {exitShares} : {};
    const decided = {version: VERSION, tasks, thresholds, penalties, ...shares, exits};
    const key = jsonSha256(decided).slice(0, KEY_DIGITS);
    const path = join(folder, `outcome-${key}.json`);
    return {
      variant,
      path,
      exits,
      thresholds,
      penalties,
      exitShares,
      done: (await readOutcome(path)) !== null,
    };
  };
  const cells = join(output, 'cells');
  const runs = new Map<string, PlannedRun>();
  for (const {index, variant, seed, convert, train, takes, mayExit} of models) {
    const key = jsonSha256({...identity, convert, train}).slice(0, KEY_DIGITS);
    let run = runs.get(key);
    if (!run) {
      const folder = join(cells, `${variant.layout}-seed${seed}-${key}`);
      const trained = await exists(join(folder, 'run', 'config.json'));
      const name = `${variant.name}, seed ${seed}`;
      run = {name, seed, folder, convert, train, takes, trained, evaluations: []};
      runs.set(key, run);
    }
    run.evaluations.push(await evaluationOf(run.folder, index, variant.exits, mayExit));
  }
  const sourceFolder = join(cells, `source-${identity.source.slice(0, KEY_DIGITS)}`);
  const planned = [...runs.values()];
  return {
    settings,
    variants: all,
    source: await evaluationOf(sourceFolder, null, {}, false),
    runs: planned,
    ...sideBySide(settings, planned),
  };
}

/** A variant with a seed: what is made, and how it is trained. */
interface Model extends Pick<PlannedRun, 'seed' | 'convert' | 'train' | 'takes'> {
  /** The variant's place. */
  index: number;
  variant: Variant;
  /** Whether the variant's model has slots before which it may exit. */
  mayExit: boolean;
}

/**
 * A variant's models, one for each seed.
 * @throws UsageError, naming the variant, for what its conversion, its training or its exits cannot be
 */
async function modelsOf(
  {source: path, output, data, budget, training, seeds}: ComparisonSettings,
  source: ModelConfig,
  index: number,
  variant: Variant,
): Promise<Model[]> {
  const settings = {...training, ...variant.train};
  try {
    await planConversion({...variant.convert, source: path, output: join(output, NOWHERE)});
    const config = {...source, arrangement: arrange(source.arch.layers.length, variant.convert).arrangement};
    const mayExit = exitRule(config, {...variant.exits, threshold: MIDDLING}).checksAny;
    const plan = (steps: number) => planFinetuneOf(config, {...settings, output, data, steps});
    const steps = await stepsWithin(budget, plan);
    const takes = await plan(steps);
    return seeds.map((seed) => ({
      index,
      variant,
      seed,
      convert: {...variant.convert, seed},
      train: {...settings, seed, steps},
      takes,
      mayExit,
    }));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${variant.name}: ${error.message}`, {cause: error});
  }
}

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw asFileError(error, path);
  });
  if (found && !found.isDirectory()) {
    throw new FileError(`${path} is a file; name another output folder or remove it.`);
  }
}

async function taskIdentities(
  {onNote, signal}: CompareOptions,
  {tasks, taskFolder, limit}: ComparisonSettings,
): Promise<string[]> {
  const options = {
    dataFolder: taskFolder,
    limit,
    openDataset: (repo: string) => openDataset(repo, {onNote, signal}),
  };
  const identities: string[] = [];
  for (const task of tasks) identities.push(await taskIdentity(task, options));
  return identities;
}

/** The data's identity: its tokens. They are in the token cache then, before several runs ask for them at once. */
async function dataIdentity(
  {onData, onNote, signal}: CompareOptions,
  {source: folder, data}: ComparisonSettings,
  {arch}: ModelConfig,
  training: TrainSettings,
): Promise<string> {
  const opened = await openText({folder, arch, data, training, batchSize: 1, onRead: onData, onNote, signal});
  await opened.close();
  return opened.sha256;
}

/** As many runs at a time as there are cores and memory for, unless it is said; the cores are shared out. */
function sideBySide({jobs, threads}: ComparisonSettings, runs: readonly PlannedRun[]) {
  const cores = availableParallelism();
  const waiting = runs.filter(({evaluations}) => evaluations.some(({done}) => !done));
  const largest = Math.max(1, ...waiting.map(({takes}) => takes.memory.total));
  const available = waiting[0]?.takes.availableMemory ?? Infinity;
  const fitting = Math.max(1, Math.floor((0.8 * available) / largest));
  const most = Math.min(cores, fitting, Math.max(1, waiting.length));
  const taken = jobs ?? most;
  return {jobs: taken, threads: threads ?? Math.max(1, Math.floor(cores / taken))};
}

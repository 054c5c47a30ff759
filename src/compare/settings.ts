import {UsageError} from '../errors.js';
import type {FinetuneOptions} from '../finetune/index.js';
import {LAYOUTS, type Layout} from '../model/index.js';
import {checkOptions, withDefaults} from '../options/index.js';
import {stageOf, type Axis} from './axes.js';
import {checkBudget, type TrainingBudget} from './budget.js';
import type {Comparison} from './comparison.js';
import {COMPARE_OPTIONS} from './options.js';
import type {TrainSettings} from './variants.js';

export interface CompareOptions {
  /** A source checkpoint's folder. */
  source: string;
  /** As the report names it; the folder unless given. */
  sourceName?: string;
  /** The comparison's folder. What it has of this comparison, or of a narrower one, is not done again. */
  output: string;
  /** What to train on; see `FinetuneOptions.data`. */
  data: readonly string[];
  budget: TrainingBudget;
  /** `vanilla` is always among them: it is what the others are held against. */
  layouts?: readonly Layout[];
  axes?: readonly Axis[];
  seeds?: readonly number[];
  /** The harness's names and paths of files, as `ztt eval` takes them; none unless given. */
  tasks?: readonly string[];
  /** A folder with the datasets of named tasks, in place of the Hub. */
  taskFolder?: string;
  /** Rows of each task, from the first. */
  limit?: number;
  /** Early-exit thresholds, for ztt; full depth is always among them. */
  thresholds?: readonly number[];
  /**
   * Besides fixed thresholds, exits that are trained on the data: one row for each penalty, in nats a token that compute
   * of one source is worth. None unless given.
   */
  penalties?: readonly number[];
  /**
   * Besides fixed thresholds, a threshold for each share above 0 and below 1: the one at which that share of the training
   * text's sequences exits early. None unless given.
   */
  exitShares?: readonly number[];
  /** What every run is told, unless an axis says otherwise. */
  training?: TrainSettings;
  /** Runs at a time; as many as there are cores and memory for, unless given. */
  jobs?: number;
  engine?: string;
  device?: string;
  /** Threads of each run; the cores are shared out, unless given. */
  threads?: number;
  onData?: FinetuneOptions['onData'];
  onNote?: (line: string) => void;
  /** Training FLOPs done, of all there are to do, and what is being done. */
  onProgress?: (done: number, total: number, running: readonly string[]) => void;
  /** A model's outcome is there, and what is known so far. */
  onDone?: (name: string, comparison: Comparison) => void;
  /** Aborting it saves what is running and throws InterruptedError. */
  signal?: AbortSignal;
}

/** A comparison's options with defaults filled in. */
export interface ComparisonSettings {
  source: string;
  sourceName: string;
  output: string;
  data: readonly string[];
  budget: TrainingBudget;
  layouts: readonly Layout[];
  axes: readonly Axis[];
  seeds: readonly number[];
  tasks: readonly string[];
  taskFolder?: string;
  limit?: number;
  thresholds: readonly number[];
  penalties: readonly number[];
  exitShares: readonly number[];
  training: TrainSettings;
  jobs?: number;
  engine?: string;
  device?: string;
  threads?: number;
}

/** Before the first step and after the last: no run has as many. */
const EVAL_EVERY = 1e9;
/** Held-out sequences that every model is scored on. */
export const HELD_OUT_BLOCKS = 64;
/** The share of the data that they are of, unless there is other data for them. */
const HELD_OUT_SHARE = 0.05;

/** @throws UsageError naming the option and what it may be */
export function comparisonSettings(options: CompareOptions): ComparisonSettings {
  checkOptions(COMPARE_OPTIONS, options);
  checkBudget(options.budget);
  const {source, axes = [], tasks = [], limit, jobs, engine, device, threads} = options;
  const given = withDefaults(COMPARE_OPTIONS, {...options, engine: undefined});
  const {seeds} = given;
  const layouts = LAYOUTS.filter((layout) => layout === 'vanilla' || given.layouts.includes(layout));
  const twice = axes.find(({name}, i) => axes.findIndex((other) => other.name === name) < i);
  if (twice) throw new UsageError(`axis ${twice.name} is given twice; put its values into one.`);
  const ofScoring = axes.find(({name}) => stageOf(name) === 'exits');
  if (ofScoring && tasks.length === 0) {
    throw new UsageError(`axis ${ofScoring.name} is about how tasks are scored, and there are no tasks.`);
  }
  if (seeds.length === 0) throw new UsageError('there is no seed; give at least one.');
  if (new Set(seeds).size < seeds.length) throw new UsageError(`seeds ${seeds.join()} has one twice.`);
  const inOrder = (numbers: readonly number[]) => [...new Set(numbers)].sort((a, b) => a - b);
  return {
    source,
    sourceName: options.sourceName ?? source,
    output: options.output,
    data: options.data,
    budget: options.budget,
    layouts,
    axes,
    seeds,
    tasks,
    taskFolder: options.taskFolder,
    limit,
    thresholds: inOrder([...given.thresholds, 1]),
    penalties: inOrder(options.penalties ?? []),
    exitShares: inOrder(options.exitShares ?? []),
    training: {
      ...options.training,
      heldOut: options.training?.heldOutData ? undefined : (options.training?.heldOut ?? HELD_OUT_SHARE),
      evalEvery: EVAL_EVERY,
      evalBlocks: HELD_OUT_BLOCKS,
      evalThresholds: [1],
    },
    jobs,
    engine,
    device,
    threads,
  };
}

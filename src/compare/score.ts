import {evaluate, type EvalOptions, type Sample} from '../eval/index.js';
import {openDataset} from '../hub/index.js';
import {exitRule, type Model} from '../model/index.js';
import type {Tokenizer} from '../tokenizer/index.js';
import {heldOutAt, type BlockExits} from './block-exits.js';
import {learnThresholds} from './learn-thresholds.js';
import type {LearnedExits, Outcome, TaskOutcome} from './outcome.js';
import type {ComparisonSettings} from './settings.js';
import {shareThresholds} from './share-thresholds.js';
import type {ExitSettings} from './variants.js';

export interface ScoreAtOptions {
  exits: ExitSettings;
  thresholds: readonly number[];
  /** Penalties to learn thresholds with, of which each is scored as well. */
  penalties: readonly number[];
  /** Shares of the training text to choose thresholds by, of which each is scored as well. */
  exitShares: readonly number[];
  heldOut?: readonly BlockExits[];
  /** Text that thresholds are learned on and chosen on. */
  training?: readonly BlockExits[];
  signal: AbortSignal;
}

type Settings = Pick<ComparisonSettings, 'tasks' | 'taskFolder' | 'limit'>;

/**
 * Scores a model on tasks and held-out text at every threshold, at thresholds that are chosen by share, and with
 * thresholds that are learned.
 */
export async function scoreAtExits(
  model: Model,
  tokenizer: Tokenizer,
  settings: Settings,
  options: ScoreAtOptions,
): Promise<Outcome['exits']> {
  const {exits, thresholds, penalties, exitShares, heldOut, training = []} = options;
  const ruleAt = (threshold: number, learned: LearnedExits | null) =>
    exitRule(model.config, {...exits, threshold, slotThresholds: learned?.slot_thresholds});
  const outcomes: Outcome['exits'] = [];
  const add = async (
    all: readonly {threshold: number; share: number | null}[],
    learned: LearnedExits | null,
  ) => {
    const at = [...new Set(all.map(({threshold}) => threshold))];
    const tasks = await scoreTasks(model, tokenizer, settings, options, {at, learned});
    for (const {threshold, share} of all) {
      outcomes.push({
        threshold,
        share,
        learned,
        tasks: tasks.get(threshold) ?? {},
        held_out: heldOut ? heldOutAt(heldOut, ruleAt(threshold, learned)) : null,
      });
    }
  };
  const chosen = shareThresholds(training, exitShares);
  await add(
    [
      ...thresholds.map((threshold) => ({threshold, share: null})),
      ...chosen.map((threshold, i) => ({threshold, share: exitShares[i]!})),
    ],
    null,
  );
  const slots = ruleAt(1, null).exits;
  for (const penalty of penalties) {
    const found = learnThresholds(training, penalty);
    const slotThresholds = Object.fromEntries(found.map((value, exit) => [String(slots[exit]), value]));
    await add([{threshold: 1, share: null}], {penalty, slot_thresholds: slotThresholds});
  }
  return outcomes;
}

/** The tasks' outcomes, by threshold. */
async function scoreTasks(
  model: Model,
  tokenizer: Tokenizer,
  {tasks, taskFolder, limit}: Settings,
  {exits, signal}: ScoreAtOptions,
  {at, learned}: {at: readonly number[]; learned: LearnedExits | null},
): Promise<Map<number, Record<string, TaskOutcome>>> {
  if (tasks.length === 0) return new Map();
  const judgedAt = new Map(at.map((threshold) => [threshold, new Map<string, Judged>()]));
  const options: EvalOptions = {
    tasks,
    taskData: {dataFolder: taskFolder, openDataset: (repo) => openDataset(repo, {signal})},
    limit,
    thresholds: at,
    slotThresholds: learned?.slot_thresholds,
    ...exits,
    bootstrapIterations: 0,
    timedQuestions: 0,
    onSamples: (task, threshold, samples) => judgedAt.get(threshold)!.set(task, judged(samples)),
    signal,
  };
  const {ztt} = await evaluate(model, tokenizer, options);
  return new Map(
    ztt.thresholds.map(({threshold, tasks: costs}) => {
      const outcomes = Object.entries(costs).map(([task, {flops_ratio_to_source, mean_slots}]) => {
        return [task, {...judgedAt.get(threshold)!.get(task)!, flops_ratio_to_source, mean_slots}] as const;
      });
      return [threshold, Object.fromEntries(outcomes)];
    }),
  );
}

type Judged = Pick<TaskOutcome, 'metric' | 'items'>;

/** A task's items: whether each question was answered rightly, or each document's bits of its bytes. */
function judged(samples: readonly Sample[]): Judged {
  if ('acc' in samples[0]!) {
    return {metric: 'acc', items: samples.map(({acc}) => ({value: Number(acc), weight: 1}))};
  }
  return {
    metric: 'bits_per_byte',
    items: samples.map(({bits_per_byte: pair}) => {
      const [nats, bytes] = pair as [number, number];
      return {value: -nats / Math.LN2, weight: bytes};
    }),
  };
}

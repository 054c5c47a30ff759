import {readFile} from 'node:fs/promises';
import {
  calibrationThresholds,
  convert,
  evaluate,
  evaluateHeldOut,
  finetune,
  load,
  Tokenizer,
  type Layout,
} from '../src/index.js';
import {
  CYCLES,
  EXIT_SHARES,
  HELD_OUT_TEXT,
  QUESTIONS,
  SEED,
  SOURCE,
  TRAINING_TEXT,
  WINDOW,
  ZERO_INIT,
} from './settings.js';
import type {Sizes} from './settings.js';

/** What every job is told. */
interface JobBase {
  sizes: Sizes;
  engine: string;
  /** Threads for the engine; undefined for as many as it can use. */
  threads: number | undefined;
}

/** Converts the source to a layout and fine-tunes it. */
export interface TrainJob extends JobBase {
  kind: 'train';
  layout: Layout;
  /** Where the converted model goes, and the run. */
  converted: string;
  run: string;
}

/** Evaluates a model on the held-out text and the questions, at one threshold. */
export interface EvalJob extends JobBase {
  kind: 'eval';
  /** The row of the table. */
  name: string;
  model: string;
  threshold: number;
  /** Whether to find the thresholds at which given shares of the calibration text exit. */
  calibrate: boolean;
}

export type Job = TrainJob | EvalJob;

export interface TrainResult {
  seconds: number;
  /** Perplexity of the held-out text as it was converted; vanilla's is the source's. */
  convertedPerplexity: number;
  /** Training loss of the first and the last step, in nats. */
  firstLoss: number;
  lastLoss: number;
}

/** One row of the table. */
export interface EvalResult {
  name: string;
  threshold: number;
  parameters: number;
  /** Mean slots run, over windows and over questions' rows. */
  textSlots: number;
  questionSlots: number;
  /** FLOPs of all that was scored, and of the source model for the same. */
  flops: number;
  sourceFlops: number;
  perplexity: number;
  nextTokenAccuracy: number;
  accuracy: number;
  accuracyError: number;
  /** Wall time of scoring. */
  seconds: number;
  /** One for each of `EXIT_SHARES`, if asked for. */
  calibrated: number[];
}

/** Tells how much of a job is done, from 0 to 1. */
type Report = (share: number) => void;

export async function runTrainJob(job: TrainJob, report: Report): Promise<TrainResult> {
  const cycles = job.layout === 'vanilla' ? undefined : CYCLES;
  const zeroInit = job.layout === 'ztt' ? ZERO_INIT : {};
  await convert({source: SOURCE, output: job.converted, layout: job.layout, cycles, seed: SEED, ...zeroInit});
  const convertedPerplexity = await heldOutPerplexity(job);
  const {steps, batchSize, seqLen, lr} = job.sizes;
  const losses: number[] = [];
  const {seconds} = await finetune({
    model: job.converted,
    output: job.run,
    data: [TRAINING_TEXT],
    steps,
    batchSize,
    seqLen,
    lr,
    saveEvery: steps,
    evalEvery: 0,
    engine: job.engine,
    threads: job.threads,
    seed: SEED,
    onStep: ({step, loss}) => {
      losses.push(loss);
      report(step / steps);
    },
  });
  return {seconds, convertedPerplexity, firstLoss: losses[0]!, lastLoss: losses.at(-1)!};
}

async function heldOutPerplexity({converted, sizes, engine, threads}: TrainJob): Promise<number> {
  const model = await load(converted, {engine, threads});
  const {scored, text} = await heldOutText(sizes);
  const {perplexity} = await evaluateHeldOut(model, scored, {...text, threshold: 1});
  model.dispose();
  return perplexity;
}

/** The held-out text in two parts, which share no scored token: one to calibrate thresholds on, then what is scored. */
async function heldOutText({windows}: Sizes) {
  const tokenizer = await Tokenizer.load(SOURCE);
  const tokens = tokenizer.encode(await readFile(HELD_OUT_TEXT, 'utf8'));
  const cut = windows * (WINDOW.window - WINDOW.context) + WINDOW.context;
  return {calibration: tokens.slice(0, cut), scored: tokens.slice(cut), text: {...WINDOW, limit: windows}};
}

export async function runEvalJob(job: EvalJob, report: Report): Promise<EvalResult> {
  const {threshold, sizes} = job;
  const model = await load(job.model, {engine: job.engine, threads: job.threads});
  const tokenizer = await Tokenizer.load(job.model);
  const {calibration, scored, text} = await heldOutText(sizes);
  let calibrated: number[] = [];
  if (job.calibrate) {
    const whole = await evaluateHeldOut(model, calibration, {
      ...text,
      threshold: 1,
      exitScores: true,
    });
    calibrated = calibrationThresholds(whole.exit_scores, EXIT_SHARES);
  }
  const held = await evaluateHeldOut(model, scored, {
    ...text,
    threshold,
    onProgress: (done, total) => report((0.5 * done) / total),
  });
  const answers = await evaluate(model, tokenizer, {
    tasks: [QUESTIONS],
    thresholds: [threshold],
    limit: sizes.questions,
    onProgress: (done, total) => report(0.5 + (0.5 * done) / total),
  });
  const [asked] = answers.ztt.thresholds;
  const [scores] = Object.values(answers.results);
  model.dispose();
  const flops = held.flops_per_token * held.tokens + asked!.flops_per_token * asked!.tokens;
  return {
    name: job.name,
    threshold,
    parameters: answers.config.model_num_parameters,
    textSlots: held.mean_slots,
    questionSlots: asked!.mean_slots,
    flops,
    sourceFlops:
      (held.flops_per_token * held.tokens) / held.flops_ratio_to_source +
      (asked!.flops_per_token * asked!.tokens) / asked!.flops_ratio_to_source,
    perplexity: held.perplexity,
    nextTokenAccuracy: held.accuracy,
    accuracy: Number(scores!['acc,none']),
    accuracyError: Number(scores!['acc_stderr,none']),
    seconds: held.seconds + asked!.timing!.batched_seconds * sizes.questions,
    calibrated,
  };
}

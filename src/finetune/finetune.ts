import {basename, resolve} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import {Checkpoint, requireFreeOutput} from '../checkpoint/index.js';
import {BlockBatches, streamSha256, tokenStream} from '../data/index.js';
import {FileError, InterruptedError} from '../errors.js';
import {
  load,
  mapTensors,
  modelConfigJson,
  readModelConfig,
  vanillaConfig,
  type Model,
} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import {runSettings, type FinetuneOptions} from './options.js';
import {RunFolder, type RunIdentity} from './run-folder.js';
import {Trainer} from './trainer.js';

export interface FinetuneReport {
  output: string;
  steps: number;
  /** The step the run went on from; 0 for a new one. */
  resumedFrom: number;
  /** Whether the run had ended before: then nothing was done. */
  alreadyFinished: boolean;
  /** The last step's loss, in nats; null if nothing was done. */
  loss: number | null;
  /** Tokens in the data, and tokens trained on in this call. */
  dataTokens: number;
  trainedTokens: number;
  seconds: number;
}

/**
 * Fine-tunes a model on text with next-token prediction and AdamW. The run folder holds metrics.jsonl,
 * checkpoints/step-N, and at the end the float32 model at its top.
 * @throws UsageError, FileError or FormatError for options, model or data; InterruptedError after an abort,
 *   with everything saved
 */
export async function finetune(options: FinetuneOptions): Promise<FinetuneReport> {
  const run = new RunFolder(options.output);
  await requireRunFolder(run, options.resume ?? false);
  const {arch} = await readConfigOf(options.model);
  const settings = runSettings(options, arch.maxPositions);
  const started = performance.now();
  const report = {output: options.output, steps: settings.steps, dataTokens: 0, trainedTokens: 0, seconds: 0};
  if (options.resume && (await run.finished())) {
    options.onNote?.(`${options.output} is finished already; nothing to resume.`);
    return {...report, resumedFrom: settings.steps, alreadyFinished: true, loss: null};
  }
  const tokenizer = await Tokenizer.load(await folderOf(options.model));
  const separator = arch.eosTokenId ?? arch.bosTokenId;
  const stream = await tokenStream({files: options.data, tokenizer, separator});
  const identity = {settings, dataSha256: streamSha256(stream)};
  const batches = new BlockBatches(stream, settings.seqLen, settings.batchSize, settings.seed);
  const from = options.resume ? await run.newestStep() : 0;
  const {engine, threads} = options;
  const model = await load(from > 0 ? run.checkpoint(from) : options.model, {engine, threads});
  options.onNote?.(model.engine.why);
  const trainer = new Trainer(model, {...settings, checkpointCycles: options.checkpointCycles});
  try {
    if (from > 0) {
      await run.restore(from, identity, trainer.moments());
      options.onNote?.(`going on from step ${from} of ${settings.steps}`);
    }
    const loss = await train({options, run, identity, batches, model, trainer, from});
    return {
      ...report,
      resumedFrom: from,
      alreadyFinished: false,
      loss,
      dataTokens: stream.length,
      trainedTokens: (settings.steps - from) * settings.batchSize * settings.seqLen,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    trainer.dispose();
    model.dispose();
  }
}

interface Training {
  options: FinetuneOptions;
  run: RunFolder;
  identity: RunIdentity;
  batches: BlockBatches;
  model: Model;
  trainer: Trainer;
  /** Steps done before. */
  from: number;
}

async function train(training: Training): Promise<number | null> {
  const {options, run, identity, batches, model, trainer, from} = training;
  const {steps, batchSize, seqLen} = identity.settings;
  const snapshot = {
    parameters: model.parameters(),
    config: await outputConfig(options.model, model),
    carryFrom: await folderOf(options.model),
  };
  const save = (step: number) => run.save(step, identity, snapshot, trainer.moments());
  await run.create();
  await run.truncateMetrics(from);
  let last: number | null = null;
  for (let step = from + 1; step <= steps; step++) {
    // Engines that compute at once never yield: a Ctrl-C gets its turn here.
    await setImmediate();
    const begun = performance.now();
    const {loss, lr, gradNorm} = await trainer.step(step, batches.batch(step - 1));
    const perSecond = (batchSize * seqLen * 1000) / (performance.now() - begun);
    const metrics = {step, loss, lr, grad_norm: gradNorm, tokens_per_second: perSecond};
    await run.appendMetrics(metrics);
    options.onStep?.({...metrics, steps});
    last = loss;
    if (options.signal?.aborted) {
      await save(step);
      throw new InterruptedError(
        `stopped after step ${step} of ${steps}; it is saved: run the same command with --resume to go on.`,
      );
    }
    if (step % (options.saveEvery ?? 100) === 0 || step === steps) await save(step);
  }
  await run.finish(snapshot);
  return last;
}

async function requireRunFolder(run: RunFolder, resume: boolean): Promise<void> {
  if (resume) return;
  await requireFreeOutput(run.path).catch((error: unknown) => {
    const hint = error instanceof FileError ? ' Use --resume to go on with a run.' : '';
    throw new FileError(`${(error as Error).message}${hint}`, {cause: error});
  });
}

async function folderOf(path: string): Promise<string> {
  const checkpoint = await Checkpoint.open(path);
  await checkpoint.close();
  return checkpoint.folder;
}

const readConfigOf = async (path: string) => readModelConfig(await folderOf(path));

/** The fine-tuned model's config.json: the model's own, or that of a `vanilla` conversion of the source. */
async function outputConfig(path: string, model: Model): Promise<Record<string, unknown>> {
  const {base, ztt} = model.config;
  if (ztt) return modelConfigJson(base, ztt);
  const checkpoint = await Checkpoint.open(path);
  try {
    const {prefix, dropped} = mapTensors(checkpoint, model.config);
    const name = basename(resolve(path));
    const sha256 = await checkpoint.sha256();
    return modelConfigJson(
      base,
      vanillaConfig(model.config, {name, revision: null, sha256, prefix, dropped}),
    );
  } finally {
    await checkpoint.close();
  }
}

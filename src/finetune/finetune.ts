import {basename, resolve} from 'node:path';
import {Checkpoint, requireFreeOutput} from '../checkpoint/index.js';
import {BlockBatches, streamSha256, tokenStream} from '../data/index.js';
import {FileError} from '../errors.js';
import {
  load,
  mapTensors,
  modelConfigJson,
  readModelConfig,
  vanillaConfig,
  type Model,
} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import {runToEnd} from './loop.js';
import {runControls, runSettings, type FinetuneOptions} from './options.js';
import {NEW_RECORD} from './record.js';
import {runConfig, writeRunConfig} from './run-config.js';
import {RunFolder} from './run-folder.js';
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
  /** The step after which early stopping ended the run, or null. */
  stoppedEarlyAt: number | null;
  /** The lowest loss on held-out text at full depth, and after which step; null if there was no evaluation. */
  best: {step: number; loss: number} | null;
  /** Tokens in the data, and tokens trained on in this call. */
  dataTokens: number;
  trainedTokens: number;
  seconds: number;
}

/**
 * Fine-tunes a model on text with next-token prediction and AdamW. The run folder holds metrics.jsonl,
 * checkpoints/step-N, and at the end the float32 model at its top. The last blocks of the data are held out.
 * @throws UsageError, FileError or FormatError for options, model or data; InterruptedError after an abort,
 *   with everything saved
 */
export async function finetune(options: FinetuneOptions): Promise<FinetuneReport> {
  const run = new RunFolder(options.output);
  await requireRunFolder(run, options.resume ?? false);
  const {arch} = await readConfigOf(options.model);
  const settings = runSettings(options, arch.maxPositions);
  const controls = runControls(options);
  const started = performance.now();
  const report = {
    output: options.output,
    steps: settings.steps,
    stoppedEarlyAt: null,
    loss: null,
    best: null,
    dataTokens: 0,
    trainedTokens: 0,
    seconds: 0,
  };
  if (options.resume && (await run.finished())) {
    return {...report, resumedFrom: settings.steps, alreadyFinished: true};
  }
  const tokenizer = await Tokenizer.load(await folderOf(options.model));
  const separator = arch.eosTokenId ?? arch.bosTokenId;
  const stream = await tokenStream({files: options.data, tokenizer, separator});
  const {training, heldOut} =
    controls.evalEvery > 0 ? splitHeldOut(stream, settings.seqLen) : {training: stream, heldOut: []};
  const identity = {settings, dataSha256: streamSha256(training)};
  const rows = settings.batchSize * settings.accumulate;
  const batches = new BlockBatches(training, settings.seqLen, rows, settings.seed);
  const from = options.resume ? ((await run.steps()).at(-1) ?? 0) : 0;
  const {engine, threads} = options;
  const model = await load(from > 0 ? run.checkpoint(from) : options.model, {engine, threads});
  options.onNote?.(model.engine.why);
  const trainer = new Trainer(model, {...settings, checkpointCycles: options.checkpointCycles});
  try {
    const record = from > 0 ? await run.restore(from, identity, trainer.moments()) : NEW_RECORD;
    if (from > 0) options.onNote?.(`going on from step ${from} of ${settings.steps}`);
    await run.create();
    for (const line of await writeRunConfig(run.path, runConfig(options, settings, controls))) {
      options.onNote?.(line);
    }
    const output = {
      config: await outputConfig(options.model, model),
      carryFrom: await folderOf(options.model),
    };
    const batch = (index: number) => batches.batch(index);
    const parts = {folder: run, identity, controls, model, trainer, batch, heldOut, output, from, record};
    const end = await runToEnd(parts, options);
    return {
      ...report,
      resumedFrom: from,
      alreadyFinished: false,
      stoppedEarlyAt: end.record.stopped_early ? end.step : null,
      loss: end.last?.loss ?? null,
      best: end.record.best,
      dataTokens: stream.length,
      trainedTokens: (end.step - from) * rows * settings.seqLen,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    trainer.dispose();
    model.dispose();
  }
}

/** Share of the data's blocks that are held out, and the most. */
const HELD_OUT = {share: 1 / 20, blocks: 16};

/** Cuts the last blocks off a token stream: they are evaluated on and not trained on. */
function splitHeldOut(stream: Int32Array, seqLen: number): {training: Int32Array; heldOut: number[][]} {
  const blocks = Math.floor(stream.length / seqLen);
  const count = Math.min(HELD_OUT.blocks, Math.floor(blocks * HELD_OUT.share));
  const start = (blocks - count) * seqLen;
  const heldOut = Array.from({length: count}, (_, i) => [
    ...stream.subarray(start + i * seqLen, start + (i + 1) * seqLen),
  ]);
  return {training: stream.subarray(0, start), heldOut};
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

import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {
  Checkpoint,
  elementBytes,
  elementCount,
  rounded,
  writeModelInfo,
  writePlanned,
  pathOf,
  type FloatDtype,
  type PlannedFile,
  type TensorSource,
  type WeightFiles,
} from '../checkpoint/index.js';
import {
  checkOutput,
  requireFreeOutput,
  requireFreeSpace,
  resolveOutput,
  writeFolder,
} from '../files/index.js';
import {UsageError} from '../errors.js';
import {readCheckpointConfig, type Layout} from '../model/index.js';
import {checkOption, checkOptions, withDefaults} from '../options/index.js';
import {planDataFiles} from './data-files.js';
import {decoderGraph, executedSlots} from './decoder-graph.js';
import {encodeModel, OPSET} from './model-proto.js';
import type {GraphDtype, Initializer} from './onnx-graph.js';
import {EXPORT_OPTIONS, type EXPORT_DTYPES} from './options.js';
import {graphName, runtimeConfig} from './runtime-config.js';
import {tokenizerFiles} from './tokenizer-files.js';

/** A graph has each executed layer's nodes, and the time to load it grows with more than their number. */
const MAX_SLOTS = 500;

export interface ExportOptions {
  /** A model's folder. */
  model: string;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** Replace an export that lies at `output` already, once the new one is whole. */
  force?: boolean;
  /** How many of the model's cycles run; all unless given. */
  cycles?: number;
  /** Of weights and cache, and of what is computed; logits are float32. Default float32. */
  dtype?: (typeof EXPORT_DTYPES)[number];
  /** A data file's limit in bytes; default 2 GB. */
  maxDataBytes?: number;
  /** Bytes of weights written, of all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** What `planExport` needs to know: the model may be elsewhere. */
export type ExportPlanOptions = Omit<ExportOptions, 'model' | 'onProgress' | 'signal'> & {
  model: string | WeightFiles;
};

export interface ExportReport {
  output: string;
  layout: Layout;
  /** Cycles that run, and the executed layers in them. */
  cycles: number;
  slots: number;
  dtype: (typeof EXPORT_DTYPES)[number];
  opset: number;
  /** The graph's nodes. */
  nodes: number;
  /** Whether there is a tokenizer beside it. */
  tokenizer: boolean;
  /** What a user should know of how contradicting files were read, in lines. */
  notes: readonly string[];
  /** The graph and its weights, by their paths in the output. */
  files: {name: string; bytes: number}[];
}

/**
 * Writes a model as ONNX, at a fixed depth and with a KV cache, into a folder as transformers.js reads it:
 * `onnx/model.onnx` with its weights beside it, config.json, and the tokenizer's files. Weights go from file to file;
 * those of shared layers are stored once.
 * @throws UsageError for cycles that the model has not; FormatError, UnsupportedError for what is no model of ours;
 *   FileError for an output that cannot be
 */
export async function exportOnnx(options: ExportOptions): Promise<ExportReport> {
  const {model, output, force: replace = false, onProgress, signal} = options;
  const outputOptions = {replace, sources: [model], folders: [FOLDER]};
  const target = await requireFreeOutput(output, outputOptions);
  const prepared = await prepare(options);
  try {
    const {checkpoint, weights, files, bytes, config, report} = prepared;
    const total = files.reduce((sum, file) => sum + file.bytes, 0);
    await requireFreeSpace(target, total);
    let done = 0;
    const onBytes = (bytes: number) => onProgress?.((done += bytes), total);
    await writeFolder(
      output,
      async (stage) => {
        const folder = join(stage, FOLDER);
        await mkdir(folder);
        await writeFile(join(folder, graphName(prepared.dtype)), bytes);
        await writePlanned(folder, files, (writer) => writer.writeAll(weights), {onBytes, signal});
        await writeModelInfo(stage, config, checkpoint.folder);
        for (const [name, text] of prepared.tokenizerFiles) await writeFile(join(stage, name), text);
      },
      outputOptions,
    );
    return report;
  } finally {
    await prepared.checkpoint.close();
  }
}

/**
 * What `exportOnnx` would write. Nothing is written, and no more of the weights than their headers is read.
 * @throws as `exportOnnx`
 */
export async function planExport(options: ExportPlanOptions): Promise<ExportReport> {
  const {model, output, force: replace = false} = options;
  const sources = [pathOf(model)];
  await checkOutput(output, await resolveOutput(output), {replace, sources, folders: [FOLDER]});
  const {checkpoint, report} = await prepare(options);
  await checkpoint.close();
  return report;
}

/** Where transformers.js looks for graphs. */
const FOLDER = 'onnx';

interface Prepared {
  checkpoint: Checkpoint;
  dtype: GraphDtype;
  weights: TensorSource[];
  files: PlannedFile[];
  /** The graph's file. */
  bytes: Uint8Array;
  /** The content of config.json. */
  config: Record<string, unknown>;
  /** Contents of files by name, over those of the model's folder. */
  tokenizerFiles: Map<string, string>;
  report: ExportReport;
}

async function prepare(options: ExportPlanOptions): Promise<Prepared> {
  const checkpoint = await Checkpoint.open(options.model);
  try {
    return {checkpoint, ...(await prepareFrom(checkpoint, options))};
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function prepareFrom(
  checkpoint: Checkpoint,
  options: ExportPlanOptions,
): Promise<Omit<Prepared, 'checkpoint'>> {
  const {config, map} = await readCheckpointConfig(checkpoint);
  const {layout, cycles: all} = config.arrangement;
  const {output, maxDataBytes} = options;
  const {cycles, dtype: name} = withDefaults(EXPORT_OPTIONS, options, {cycles: all});
  checkOption('cycles', {...EXPORT_OPTIONS.cycles, max: all}, cycles);
  checkOptions(EXPORT_OPTIONS, options);
  const slots = executedSlots(config, cycles);
  if (slots.length > MAX_SLOTS) {
    throw new UsageError(
      `${slots.length} layers would be written out; at most ${MAX_SLOTS} can be: use fewer cycles.`,
    );
  }
  const {stored} = map;
  const tokenizer = await tokenizerFiles(checkpoint.folder);
  const dtype = name === 'float32' ? 'F32' : 'F16';
  const graph = decoderGraph(config, cycles, dtype);
  const weights = [...graph.initializers.values()].map((initializer) =>
    weightSource(checkpoint, stored, initializer, dtype),
  );
  const file = graphName(dtype);
  const files = planDataFiles(file, weights, maxDataBytes);
  const bytes = encodeModel(graph, weights, files, {layout, cycles: String(cycles)});
  return {
    dtype,
    weights,
    files,
    bytes,
    config: runtimeConfig(config, slots, cycles, dtype, files.length),
    tokenizerFiles: tokenizer.files,
    report: {
      output,
      layout,
      cycles,
      slots: slots.length,
      dtype: name,
      opset: OPSET,
      nodes: graph.nodes.length,
      tokenizer: tokenizer.found,
      notes: config.notes,
      files: [{name: file, bytes: bytes.byteLength}, ...files].map(({name, bytes}) => ({
        name: `${FOLDER}/${name}`,
        bytes,
      })),
    },
  };
}

/** A parameter's elements as the graph has them. */
function weightSource(
  checkpoint: Checkpoint,
  stored: ReadonlyMap<string, string>,
  {name, shape, parameter, from}: Initializer,
  dtype: GraphDtype,
): TensorSource {
  const tensor = stored.get(parameter)!;
  // `readCheckpointConfig` has checked that it is a float.
  const own = checkpoint.info(tensor).dtype as FloatDtype;
  const [start, end] = [from, from + elementCount(shape)].map((element) => element * elementBytes(own));
  return rounded({name, dtype: own, shape, chunks: () => checkpoint.chunks(tensor, start, end)}, dtype);
}

import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import {
  elementBytes,
  elementCount,
  fromFloat32,
  readJson,
  requireFreeOutput,
  writeFolder,
  writeModelFiles,
} from '../checkpoint/index.js';
import {FileError, FormatError, UsageError} from '../errors.js';
import {
  countParameters,
  flopsPerToken,
  modelConfigJson,
  modelTensors,
  parseArchitecture,
  slots,
  ZERO_KEYS,
  type Layout,
  type TensorSpec,
  type ZeroInit,
} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import {randomTensor, type InitialValues} from './random-tensors.js';
import {arrange, type ArrangeOptions} from './share.js';
import {ZERO_INIT_BETA, zeroKeys, type ZeroKeyInit} from './zero-keys.js';
import {zttEntry} from './ztt-entry.js';

/** Transformers' default of `initializer_range` and `init_std`. */
const DEFAULT_STD = 0.02;

const configSchema = z.looseObject({
  model_type: z.string(),
  base_config: z.looseObject({}).optional(),
});
const initSchema = z.looseObject({
  initializer_range: z.number().positive().optional(),
  init_std: z.number().positive().optional(),
  pad_token_id: z.number().int().nonnegative().nullish(),
});

export interface InitOptions extends Pick<ArrangeOptions, 'layout' | 'cycles' | 'head' | 'tail'> {
  /** A GPT-2 or OPT config.json, or a folder that has one; a ZTT model's stands for its source's. */
  baseConfig: string;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** A folder with the tokenizer, which then decides the vocabulary. Default: the base config's own folder. */
  tokenizer?: string;
  /** How the zero keys begin; default `normal`. */
  zeroInit?: Exclude<ZeroInit, 'aligned'>;
  /** Seed of all random values; default 0. */
  seed?: number;
  /** Called now and then: bytes done, of all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface InitReport {
  output: string;
  layout: Layout;
  head: number;
  middle: number;
  tail: number;
  cycles: number;
  share: 'keep';
  /** Executed layers. */
  slots: number;
  vocabulary: number;
  parameters: {all: number; withoutEmbeddings: number};
  /** At full depth and length, LM head included. */
  flopsPerToken: number;
  bytes: number;
}

/**
 * Makes a model of any layout with random weights, as Transformers begins its family, in float32. Values are made as
 * they are written; the output appears whole or not at all.
 * @throws UsageError for options that cannot be; FileError, FormatError or UnsupportedError for the config or tokenizer
 */
export async function init(options: InitOptions): Promise<InitReport> {
  const {zeroInit = 'normal', seed = 0, output, onProgress, signal} = options;
  if (!Number.isSafeInteger(seed)) throw new UsageError(`seed is ${seed}; it must be a whole number.`);
  await requireFreeOutput(output);
  const {base, carryFrom, where} = await configAndTokenizer(options);
  const arch = parseArchitecture(base, where);
  const {arrangement} = arrange(arch.layers, options);
  const zeroKeyInit = {kind: zeroInit, seed, beta: ZERO_INIT_BETA};
  const values = initialValues(base);
  const specs = modelTensors(arch, arrangement);
  const tensors = specs.map((spec) =>
    spec.name === ZERO_KEYS ? keys(spec, zeroKeyInit) : randomTensor(arch, spec, values, seed),
  );
  const source = {name: 'random', revision: null, sha256: {}, prefix: '', dropped: []};
  const ztt = zttEntry({arrangement, share: 'keep', zeroInit: zeroKeyInit, source});
  const total = specs.reduce((n, {shape}) => n + elementCount(shape) * elementBytes('F32'), 0);
  let done = 0;
  const onBytes = (bytes: number) => onProgress?.((done += bytes), total);
  const config = modelConfigJson(base, ztt, 'float32');
  await writeFolder(output, (stage) =>
    writeModelFiles(stage, {tensors, config, carryFrom}, {onBytes, signal}),
  );
  return {
    output,
    layout: ztt.layout,
    head: ztt.head,
    middle: ztt.middle,
    tail: ztt.tail,
    cycles: ztt.cycles,
    share: 'keep',
    slots: slots(arrangement).length,
    vocabulary: arch.vocabulary,
    parameters: countParameters(arch, arrangement),
    flopsPerToken: flopsPerToken(arch, arrangement, arch.maxPositions),
    bytes: total,
  };
}

function keys({name, shape}: TensorSpec, init: ZeroKeyInit) {
  const bytes = fromFloat32(zeroKeys(init, shape as [number, number, number], []), 'F32');
  return {name, dtype: 'F32' as const, shape, chunks: () => [bytes]};
}

function initialValues(base: Record<string, unknown>): InitialValues {
  const {model_type: type, ...config} = initSchema.parse(base);
  const std = (type === 'opt' ? config.init_std : config.initializer_range) ?? DEFAULT_STD;
  return {std, paddingRow: type === 'opt' ? (config.pad_token_id ?? null) : null};
}

/** The base config, with the tokenizer's vocabulary where one was named, and the folder of the tokenizer. */
async function configAndTokenizer({baseConfig, tokenizer: folder}: InitOptions) {
  const {path, folder: own} = await configFile(baseConfig);
  const raw = await readJson(path, configSchema);
  const base: Record<string, unknown> = raw.base_config ?? raw;
  const carryFrom = folder ?? own;
  const tokenizer = await Tokenizer.load(carryFrom).catch((error: unknown) => {
    if (folder !== undefined || !(error instanceof FileError)) throw error;
    throw new FileError(`${own} has no tokenizer; name a folder that has one with --tokenizer.`, {
      cause: error,
    });
  });
  const where = raw.base_config ? `${path} (base_config)` : path;
  const {size, bos, eos, pad} = tokenizer.vocabulary();
  if (folder !== undefined) {
    const vocabulary = {vocab_size: size, bos_token_id: bos, eos_token_id: eos, pad_token_id: pad};
    return {base: {...base, ...vocabulary}, carryFrom, where};
  }
  const {vocabulary} = parseArchitecture(base, where);
  if (size > vocabulary) {
    throw new FormatError(
      `${where}: the vocabulary of ${vocabulary} is too small for the ${size} tokens of the tokenizer in ${own}.`,
    );
  }
  return {base, carryFrom, where};
}

async function configFile(path: string): Promise<{path: string; folder: string}> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`;
    throw new FileError(`${path} ${why}; give a config.json or a folder that has one.`, {cause: error});
  });
  return found.isDirectory()
    ? {path: join(path, 'config.json'), folder: path}
    : {path, folder: join(path, '..')};
}

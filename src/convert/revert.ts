import {
  byteLength,
  Checkpoint,
  DTYPE_NAMES,
  isFloatDtype,
  writeModelFiles,
  type TensorSource,
} from '../checkpoint/index.js';
import {requireFreeOutput, requireFreeSpace, writeFolder} from '../files/index.js';
import {useEngine, type EngineChoice} from '../engine/index.js';
import {UnsupportedError, UsageError} from '../errors.js';
import {
  blocks,
  familyOf,
  hasZeroTokens,
  layerOf,
  parseArchitecture,
  readCheckpointConfig,
  slots,
  ZERO_KEYS,
  type Architecture,
  type ModelConfig,
  type Slot,
  type ZttConfig,
} from '../model/index.js';
import {checkOptions} from '../options/index.js';
import {divergence, type Divergence} from './proof/divergence.js';
import {REVERT_OPTIONS} from './options.js';
import type {Origin} from './plan/options.js';
import {queryFold} from './plan/tensor-plan.js';
import {averaged, copied} from './source/tensor-source.js';

/** `engine` and `device` measure what dropping the zero tokens costs. */
export interface RevertOptions extends EngineChoice {
  /** A ZTT model's folder. */
  model: string;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** Replace a model that lies at `output` already, once the new one is whole. */
  force?: boolean;
  /** A shard's limit in bytes of tensors; default 5 GB. */
  maxShardBytes?: number;
  /** Write cycles out as layers: slots many of them. */
  unroll?: boolean;
  /** Leave the zero tokens out, which changes what the model computes. */
  dropZeroTokens?: boolean;
  /** Bytes written, of all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface RevertReport {
  output: string;
  /** What the model was once converted from. */
  source: Origin;
  /** Layers of the plain model. */
  layers: number;
  unrolled: boolean;
  /** What dropping the zero tokens costs; null where there were none. */
  divergence: Divergence | null;
  /** What the source had and the plain model has not: buffers, heads of other tasks. */
  dropped: string[];
  /** Tensors whose bytes are not the model's: the attention scale is folded into their query part. */
  folded: string[];
}

/**
 * Writes a plain checkpoint of the model's family, with the source's names and the model's bytes. It can be done as it
 * is for one cycle of all layers without zero tokens; else the options must allow what changes.
 * @throws UsageError naming the option that is needed, UnsupportedError for what is no ZTT model
 */
export async function revert(options: RevertOptions): Promise<RevertReport> {
  const {maxShardBytes, onProgress, signal} = options;
  checkOptions(REVERT_OPTIONS, options);
  const outputOptions = {replace: options.force ?? false, sources: [options.model]};
  const target = await requireFreeOutput(options.output, outputOptions);
  const checkpoint = await Checkpoint.open(options.model);
  try {
    const {config} = await readCheckpointConfig(checkpoint);
    const {ztt} = config;
    if (!ztt) throw new UnsupportedError(`${options.model} is a plain ${config.arch.family} model already.`);
    const {lora, cycles} = config.arrangement;
    if (lora) {
      const way =
        lora.per === 'cycle' && cycles > 1
          ? `, and those of ${cycles} cycles cannot be merged into one weight`
          : '; `ztt merge` adds them to the weights first';
      throw new UnsupportedError(
        `${options.model} has LoRA matrices, which a plain model cannot have${way}.`,
      );
    }
    requirePermission(config, ztt, options);
    const {engine, device} = options;
    // What the zero tokens cost is measured at the end: an engine that cannot run is told before the work.
    if (hasZeroTokens(ztt.layout)) await useEngine({engine, device});
    const unrolled = needsUnroll(config, ztt);
    const layers = unrolled ? slots(config.arrangement) : blocks(config.arrangement);
    const base = plainConfig(checkpoint, config, layers);
    const tensors = plainTensors(checkpoint, config, ztt, layers, parseArchitecture(base, options.output));
    const sources = tensors.map(({source}) => source);
    const total = sources.reduce((sum, source) => sum + byteLength(source), 0);
    await requireFreeSpace(target, total);
    let done = 0;
    const onBytes = (bytes: number) => onProgress?.((done += bytes), total);
    const cost = await writeFolder(
      options.output,
      async (stage) => {
        await writeModelFiles(
          stage,
          {tensors: sources, config: base, carryFrom: checkpoint.folder},
          {maxShardBytes, onBytes, signal},
        );
        const cost = hasZeroTokens(ztt.layout)
          ? await divergence(options.model, stage, {engine, device})
          : null;
        signal?.throwIfAborted();
        return cost;
      },
      outputOptions,
    );
    return {
      output: options.output,
      source: {name: ztt.source.name, revision: ztt.source.revision},
      layers: layers.length,
      unrolled,
      divergence: cost,
      dropped: ztt.source.dropped,
      folded: tensors.filter(({folded}) => folded).map(({source}) => source.name),
    };
  } finally {
    await checkpoint.close();
  }
}

const needsUnroll = ({arrangement}: ModelConfig, ztt: ZttConfig): boolean =>
  ztt.cycles > 1 || blocks(arrangement).length !== arrangement.sourceLayers;

function requirePermission(config: ModelConfig, ztt: ZttConfig, options: RevertOptions): void {
  const needed = [
    ...(needsUnroll(config, ztt) && !options.unroll
      ? [`--unroll (its ${slots(config.arrangement).length} executed layers are written out one by one)`]
      : []),
    ...(hasZeroTokens(ztt.layout) && !options.dropZeroTokens
      ? ['--drop-zero-tokens (a plain model has none; what that costs is measured and told)']
      : []),
  ];
  if (needed.length > 0) {
    throw new UsageError(
      `${options.model} cannot become a plain model as it is; it needs ${needed.join(' and ')}.`,
    );
  }
}

interface PlainTensor {
  source: TensorSource;
  folded: boolean;
}

function plainTensors(
  checkpoint: Checkpoint,
  config: ModelConfig,
  ztt: ZttConfig,
  layers: Slot[],
  plain: Architecture,
): PlainTensor[] {
  const family = familyOf(config.arch);
  const {prefix: sourcePrefix} = ztt.source;
  const prefixes = blocks(config.arrangement).map(({prefix}) => prefix);
  const inBlock = (name: string) => prefixes.find((prefix) => name.startsWith(prefix));
  const names = [...checkpoint.tensors.keys()].filter((name) => name !== ZERO_KEYS);
  const outer = names
    .filter((name) => !inBlock(name))
    .map((name) => ({
      source: copied(checkpoint, name, name.startsWith('lm_head.') ? name : sourcePrefix + name),
      folded: false,
    }));
  const perLayer = layers.flatMap((layer, index) => {
    // What the plain model's layer does not divide its attention scale by is folded into its queries.
    const divisors = [plain.layers[index]!, layerOf(config, layer)].map(
      ({attention}) => attention.scaleDivisor,
    );
    const factors = [divisors[0]! / divisors[1]!];
    return names
      .filter((name) => inBlock(name) === layer.prefix)
      .map((from) => {
        const rest = from.slice(layer.prefix.length);
        const name = `${sourcePrefix}${family.layerPrefix}${index}.${rest}`;
        const fold = factors[0] === 1 ? null : queryFold(config.arch, layer.sources, rest);
        if (!fold) return {source: copied(checkpoint, from, name), folded: false};
        return {source: averaged(checkpoint, [from], name, {fold: {...fold, factors}}), folded: true};
      });
  });
  return [...outer, ...perLayer];
}

/** The source's config, with these layers in place of its own. */
function plainConfig(
  checkpoint: Checkpoint,
  {arch, base}: ModelConfig,
  layers: readonly Slot[],
): Record<string, unknown> {
  const {dtype} = checkpoint.info(`${arch.embedding.tokens}.weight`);
  const dtypeKeys = ['dtype', 'torch_dtype'].filter((key) => Object.hasOwn(base, key));
  const sources = layers.map((layer) => layer.sources[0]!);
  return {
    ...familyOf(arch).withLayers(base, sources),
    ...Object.fromEntries(
      dtypeKeys.map((key) => [key, isFloatDtype(dtype) ? DTYPE_NAMES[dtype] : base[key]]),
    ),
  };
}

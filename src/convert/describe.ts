import {basename} from 'node:path';
import {Checkpoint, elementCount, pathOf, type WeightFiles} from '../checkpoint/index.js';
import {
  countParameters,
  flopsPerToken,
  hasZeroTokens,
  readCheckpointConfig,
  slots,
  vanilla,
  type Architecture,
  type Layout,
  type LoraConfig,
  type ModelConfig,
  type Share,
  type Slot,
  type ZttConfig,
} from '../model/index.js';
import {readCertificate, type Certificate} from './proof/certificate.js';

/** The sizes of the source's network. */
export interface ModelSizes extends Pick<
  Architecture,
  'width' | 'heads' | 'kvHeads' | 'headSize' | 'vocabulary' | 'maxPositions'
> {
  layers: number;
  /** The width of the feed-forward networks; the largest, where layers differ. */
  feedForward: number;
  /** The width of the token embedding. */
  embeddingWidth: number;
}

/** What a checkpoint is, as its headers tell it. */
export interface ModelDescription {
  /** A local path, or a Hub repo's name. */
  path: string;
  /** The commit of a Hub repo; null for a local model. */
  revision: string | null;
  /** A converted model, or a source checkpoint as it was published. */
  kind: 'ztt' | 'source';
  family: Architecture['family'];
  layout: Layout;
  head: number;
  /** Middle layers stored. */
  middle: number;
  tail: number;
  cycles: number;
  share: Share;
  /** For each middle layer, the source layers it came from. */
  middleSources: number[][];
  sizes: ModelSizes;
  /** Whether the LM head is the token embedding. */
  tied: boolean;
  /** The executed layers, in order. */
  slots: Pick<Slot, 'part' | 'place' | 'cycle' | 'sources'>[];
  /** Exit when the mean zero attention exceeds it; 1 never exits. */
  threshold: number;
  exitFromCycle: number;
  zeroInit: ZttConfig['zero_init'];
  /** The LoRA matrices beside the weights, and how many parameters they are; null where there are none. */
  lora: (LoraConfig & {parameters: number}) | null;
  /** Each once, LoRA's among them; `source` is the source model's. */
  parameters: {all: number; withoutEmbeddings: number; source: number};
  /** At full depth and full length, LM head included. */
  flopsPerToken: {fullDepth: number; source: number; ratioToSource: number};
  /** Stored tensors by dtype. */
  dtypes: {dtype: string; tensors: number; elements: number}[];
  /** Where a converted model came from. */
  source: Pick<ZttConfig['source'], 'name' | 'revision' | 'sha256'> | null;
  /** The weight files. */
  files: {name: string; bytes: number}[];
  /** What a user should know of how contradicting files were read, in lines. */
  notes: readonly string[];
  /** What a converted model's conversion proved; null if there is no certificate. */
  certificate: Certificate | null;
}

/**
 * Describes a ZTT model or a source checkpoint. Reads its config and the headers of its weights, and checks
 * that they fit each other.
 * @param files - a local path, or files elsewhere, of which only ranges are read
 * @param repo - the Hub repo that the files are of
 * @throws FileError, FormatError or UnsupportedError as `load`
 */
export async function describeModel(
  files: string | WeightFiles,
  repo?: {name: string; revision: string | null},
): Promise<ModelDescription> {
  const checkpoint = await Checkpoint.open(files);
  try {
    const {config} = await readCheckpointConfig(checkpoint);
    const {arch, arrangement, ztt, notes} = config;
    const source = vanilla(arch.layers.length);
    const flops = flopsPerToken(arch, arrangement, arch.maxPositions);
    const sourceFlops = flopsPerToken(arch, source, arch.maxPositions);
    return {
      path: repo?.name ?? pathOf(files),
      revision: repo?.revision ?? null,
      kind: ztt ? 'ztt' : 'source',
      family: arch.family,
      layout: arrangement.layout,
      head: arrangement.head,
      middle: arrangement.middleSources.length,
      tail: arrangement.tail,
      cycles: arrangement.cycles,
      share: ztt?.share ?? 'keep',
      middleSources: arrangement.middleSources,
      sizes: sizesOf(arch),
      notes,
      tied: arch.lmHead.tied,
      slots: slots(arrangement).map(({part, place, cycle, sources}) => ({part, place, cycle, sources})),
      threshold: ztt?.threshold ?? 1,
      exitFromCycle: ztt?.exit_from_cycle ?? 2,
      zeroInit: hasZeroTokens(arrangement.layout) ? (ztt?.zero_init ?? null) : null,
      lora: arrangement.lora ? {...arrangement.lora, parameters: loraParameters(config)} : null,
      parameters: {
        ...countParameters(arch, arrangement),
        source: countParameters(arch, source).all,
      },
      flopsPerToken: {fullDepth: flops, source: sourceFlops, ratioToSource: flops / sourceFlops},
      dtypes: dtypesOf(checkpoint),
      source: ztt && {
        name: ztt.source.name,
        revision: ztt.source.revision,
        sha256: ztt.source.sha256,
      },
      files: checkpoint.files.map(({path: file, size}) => ({name: basename(file), bytes: size})),
      certificate: ztt && (await readCertificate(checkpoint)),
    };
  } finally {
    await checkpoint.close();
  }
}

function sizesOf(arch: Architecture): ModelSizes {
  const {layers, width, heads, kvHeads, headSize, vocabulary, maxPositions, embedding} = arch;
  return {
    layers: layers.length,
    width,
    heads,
    kvHeads,
    headSize,
    feedForward: layers.reduce((most, {mlp}) => Math.max(most, mlp.width), 0),
    vocabulary,
    maxPositions,
    embeddingWidth: embedding.width,
  };
}

const loraParameters = ({arch, arrangement}: ModelConfig): number =>
  countParameters(arch, arrangement).all - countParameters(arch, {...arrangement, lora: undefined}).all;

function dtypesOf(checkpoint: Checkpoint): ModelDescription['dtypes'] {
  const found = new Map<string, {dtype: string; tensors: number; elements: number}>();
  for (const {dtype, shape} of checkpoint.tensors.values()) {
    const entry = found.get(dtype) ?? {dtype, tensors: 0, elements: 0};
    entry.tensors += 1;
    entry.elements += elementCount(shape);
    found.set(dtype, entry);
  }
  return [...found.values()].sort((a, b) => b.elements - a.elements);
}

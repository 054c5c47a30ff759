import {basename, resolve} from 'node:path';
import {
  planWeights,
  readSourceCard,
  dtypeNamed,
  pathOf,
  type WeightFiles,
  type WeightPlan,
} from '../../checkpoint/index.js';
import {UnsupportedError} from '../../errors.js';
import {
  countParameters,
  flopsPerToken,
  readCheckpointConfig,
  slots,
  vanilla,
  type Architecture,
  type Arrangement,
  type Layout,
  type ModelConfig,
  type Share,
  type TensorMap,
  type ZttConfig,
} from '../../model/index.js';
import {ledgerOf, type Ledger} from './ledger.js';
import {withDefaults} from '../../options/index.js';
import {MODEL_OPTIONS} from '../options.js';
import type {Origin, PlanOptions} from './options.js';
import {planTensors, type PlannedTensor} from './tensor-plan.js';
import {arrange} from './share.js';
import {SourceReader} from '../source/source-reader.js';
import {zttEntry} from '../zero-tokens/ztt-entry.js';

/** What a conversion gives, told in numbers. */
export interface ConversionSummary {
  source: Origin;
  output: string;
  family: Architecture['family'];
  layout: Layout;
  cycles: number;
  head: number;
  middle: number;
  tail: number;
  share: Share;
  /** Executed layers. */
  slots: number;
  parameters: {source: number; converted: number; withoutEmbeddings: number};
  /** Per token at full depth and full length, LM head included. */
  flopsPerToken: {source: number; converted: number};
  /** How many tensors of the output came about how, and how many of the source were dropped. */
  tensors: Record<PlannedTensor['how'] | 'dropped', number>;
  /** What a user should know of how contradicting files were read, in lines. */
  notes: readonly string[];
  /** The weight files. */
  files: {name: string; bytes: number}[];
}

/** A conversion, decided to the last tensor, of which nothing is done. */
export interface Conversion {
  reader: SourceReader;
  config: ModelConfig;
  map: TensorMap;
  arrangement: Arrangement;
  planned: PlannedTensor[];
  ledger: Ledger;
  files: WeightPlan;
  summary: ConversionSummary;
  /** The `ztt` entry of the output's config, but for the sha256 of the source's files. */
  ztt: ZttConfig;
}

/**
 * Opens a source and decides its conversion, from its config and the headers of its weights. The reader is the
 * caller's to close.
 * @param onBytes - see `SourceReader.open`
 * @param options - checked by `CONVERT_OPTIONS`
 * @throws UsageError for a layout that cannot be made of the source's layers, FileError, FormatError or UnsupportedError for the source
 */
export async function prepare(options: PlanOptions, onBytes?: (bytes: number) => void): Promise<Conversion> {
  const reader = await SourceReader.open(options.source, onBytes);
  try {
    return await decide(reader, options);
  } catch (error) {
    await reader.close();
    throw error;
  }
}

async function decide(reader: SourceReader, options: PlanOptions): Promise<Conversion> {
  const {zeroInit: kind, seed, zeroInitBeta: beta} = withDefaults(MODEL_OPTIONS, options);
  const zeroInit = {kind, seed, beta};
  const {checkpoint} = reader;
  const origin = options.origin ?? {name: nameOf(options.source), revision: null};
  const {config, map} = await readCheckpointConfig(checkpoint);
  if (config.ztt) {
    throw new UnsupportedError(
      `${origin.name} is already a ZTT model; convert its source, or \`ztt revert\` it first.`,
    );
  }
  const {arch} = config;
  const {arrangement, share} = arrange(arch.layers.length, options);
  const dtype = options.dtype ? dtypeNamed(options.dtype) : null;
  const source = {
    tensors: checkpoint.tensors,
    info: (name: string) => reader.info(name),
    chunks: (name: string, start?: number, end?: number) => reader.chunks(name, start, end),
  };
  const planned = await planTensors({source, map, arch, arrangement, share, dtype, zeroInit});
  const ledger = ledgerOf(source, map, arrangement, planned);
  const files = planWeights(
    planned.map((tensor) => tensor.source),
    options.maxShardBytes,
  );
  const ztt = zttEntry({
    arrangement,
    share,
    zeroInit,
    source: {
      ...origin,
      sha256: {},
      prefix: map.prefix,
      dropped: [...map.dropped.keys()],
      card: await readSourceCard(checkpoint.folder),
    },
  });
  const summary = summarize({output: options.output, origin, config, arrangement, share, ledger, files});
  return {reader, config, map, arrangement, planned, ledger, files, summary, ztt};
}

const nameOf = (source: string | WeightFiles): string => basename(resolve(pathOf(source)));

interface SummaryParts {
  output: string;
  origin: Origin;
  config: ModelConfig;
  arrangement: Arrangement;
  share: Share;
  ledger: Ledger;
  files: WeightPlan;
}

function summarize(parts: SummaryParts): ConversionSummary {
  const {output, origin, config, arrangement, share, ledger, files} = parts;
  const {arch, notes} = config;
  const plain = vanilla(arch.layers.length);
  const converted = countParameters(arch, arrangement);
  const target = (how: PlannedTensor['how']) => ledger.target.filter((entry) => entry.how === how).length;
  return {
    source: origin,
    output,
    family: arch.family,
    layout: arrangement.layout,
    cycles: arrangement.cycles,
    head: arrangement.head,
    middle: arrangement.middleSources.length,
    tail: arrangement.tail,
    share,
    slots: slots(arrangement).length,
    parameters: {
      source: countParameters(arch, plain).all,
      converted: converted.all,
      withoutEmbeddings: converted.withoutEmbeddings,
    },
    flopsPerToken: {
      source: flopsPerToken(arch, plain, arch.maxPositions),
      converted: flopsPerToken(arch, arrangement, arch.maxPositions),
    },
    tensors: {
      copied: target('copied'),
      cast: target('cast'),
      averaged: target('averaged'),
      made: target('made'),
      dropped: ledger.source.filter(({how}) => how === 'dropped').length,
    },
    notes,
    files: files.files.map(({name, bytes}) => ({name, bytes})),
  };
}

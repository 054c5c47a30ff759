import {
  fromFloat32,
  isFloatDtype,
  type Checkpoint,
  type FloatDtype,
  type TensorSource,
} from '../../checkpoint/index.js';
import {UsageError} from '../../errors.js';
import {
  blocks,
  hasZeroTokens,
  LM_HEAD,
  modelTensors,
  slots,
  ZERO_KEYS,
  type Architecture,
  type Arrangement,
  type Share,
  type Slot,
  type TensorMap,
} from '../../model/index.js';
import {averaged, cast, copied, valuesOf, type TensorReader} from '../source/tensor-source.js';
import {zeroKeys, type ZeroKeyInit} from '../zero-tokens/zero-keys.js';

/** What becomes of the source's tensors on their way to the output, or that they had no part in it. */
export const HOWS = ['copied', 'cast', 'averaged', 'made'] as const;

/** A tensor of the output, and how it comes about. */
export interface PlannedTensor {
  source: TensorSource;
  how: (typeof HOWS)[number];
  /** The source's tensors, by their names there. */
  from: string[];
}

export interface PlanTensorsOptions {
  source: TensorReader & Pick<Checkpoint, 'tensors'>;
  map: TensorMap;
  arch: Architecture;
  arrangement: Arrangement;
  share: Share;
  /** What the source's parameters are cast to; null keeps their bytes. */
  dtype: FloatDtype | null;
  zeroInit: ZeroKeyInit;
}

/**
 * Every tensor of the converted model, and where it comes from. Reads nothing but, for `aligned` keys, biases.
 * @throws UsageError where `aligned` has no query bias to align with
 */
export async function planTensors(options: PlanTensorsOptions): Promise<PlannedTensor[]> {
  const {source, map, arch, arrangement} = options;
  const stored = blocks(arrangement);
  const planned = modelTensors(arch, arrangement)
    .filter(({name}) => name !== ZERO_KEYS)
    .map(({name}) => {
      const block = stored.find(({prefix}) => name.startsWith(prefix));
      return block ? planBlockTensor(options, block, name) : take(options, map.stored.get(name)!, name);
    });
  // A stored head that the config ties is not used, but it is the user's: it comes along.
  const usesHead = [...map.stored.values()].includes(LM_HEAD);
  if (arch.tied && source.tensors.has(LM_HEAD) && !usesHead) planned.push(take(options, LM_HEAD, LM_HEAD));
  if (hasZeroTokens(arrangement.layout)) planned.push(await planZeroKeys(options, planned));
  return planned;
}

/** One tensor of the source, as it is or cast. */
function take({source, dtype}: PlanTensorsOptions, from: string, name: string): PlannedTensor {
  const own = source.info(from).dtype;
  if (dtype === null || dtype === own || !isFloatDtype(own)) {
    return {source: copied(source, from, name), how: 'copied', from: [from]};
  }
  return {source: cast(source, from, name, dtype), how: 'cast', from: [from]};
}

function planBlockTensor(options: PlanTensorsOptions, block: Slot, name: string): PlannedTensor {
  const {source, map, arch, share} = options;
  const rest = name.slice(block.prefix.length);
  const from = block.sources.map((layer) => map.stored.get(`middle.${layer}.${rest}`)!);
  if (block.part !== 'middle' || share !== 'average') return take(options, from[0]!, name);
  const factors = block.sources.map((layer) => 1 / (layer + 1));
  const query = arch.inverseLayerScale ? queryFold(arch, rest) : null;
  const fold = query ? {...query, factors} : undefined;
  const dtype = options.dtype ?? undefined;
  return {source: averaged(source, from, name, {dtype, fold}), how: 'averaged', from};
}

/**
 * Where the query stands in a block's tensor, or null if it has none. Only GPT-2 scales attention by layer, and
 * its fused projection has the query in the first D of 3 D columns.
 */
export function queryFold(arch: Architecture, name: string): {columns: number; queryColumns: number} | null {
  const {qkv} = arch.block;
  if (!('fused' in qkv) || !name.startsWith(`${qkv.fused}.`)) return null;
  return {columns: 3 * arch.width, queryColumns: arch.width};
}

async function planZeroKeys(options: PlanTensorsOptions, planned: PlannedTensor[]): Promise<PlannedTensor> {
  const {arch, arrangement, zeroInit} = options;
  const run = slots(arrangement);
  const shape = [run.length, arch.heads, arch.width / arch.heads] as const;
  const biases = zeroInit.kind === 'aligned' ? await queryBiases(arch, run, planned) : [];
  const bytes = fromFloat32(zeroKeys(zeroInit, shape, biases), 'F32');
  return {
    source: {name: ZERO_KEYS, dtype: 'F32', shape: [...shape], chunks: () => [bytes]},
    how: 'made',
    from: [],
  };
}

/** Each slot's query bias [D], as the converted model has it. */
async function queryBiases(
  arch: Architecture,
  run: Slot[],
  planned: PlannedTensor[],
): Promise<Float32Array[]> {
  if (!arch.biases) {
    throw new UsageError(
      'zero-init aligned needs query biases, which this model has not; use normal or zeros.',
    );
  }
  const {qkv} = arch.block;
  const module = 'fused' in qkv ? qkv.fused : qkv.q;
  const biases: Float32Array[] = [];
  for (const {prefix} of run) {
    const tensor = planned.find(({source}) => source.name === `${prefix}${module}.bias`)!;
    biases.push((await valuesOf(tensor.source)).subarray(0, arch.width));
  }
  return biases;
}

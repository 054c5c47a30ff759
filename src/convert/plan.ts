import {fromFloat32, type Checkpoint, type TensorSource} from '../checkpoint/index.js';
import {UsageError} from '../errors.js';
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
  type ZeroInit,
} from '../model/index.js';
import {averaged, copied, valuesOf} from './tensor-source.js';
import {zeroKeys} from './zero-keys.js';

/** How a tensor of the output comes about. */
export interface PlannedTensor {
  source: TensorSource;
  how: 'copied' | 'averaged' | 'made';
  /** The source's tensors, by their names there. */
  from: string[];
}

export interface PlanOptions {
  source: Checkpoint;
  map: TensorMap;
  arch: Architecture;
  arrangement: Arrangement;
  share: Share;
  zeroInit: ZeroInit;
  seed: number;
}

/**
 * Every tensor of the converted model, and where it comes from. Reads nothing but, for `aligned` keys, biases.
 * @throws UsageError where `aligned` has no query bias to align with
 */
export async function planTensors(options: PlanOptions): Promise<PlannedTensor[]> {
  const {source, map, arch, arrangement} = options;
  const stored = blocks(arrangement);
  const planned = modelTensors(arch, arrangement)
    .filter(({name}) => name !== ZERO_KEYS)
    .map(({name}) => {
      const block = stored.find(({prefix}) => name.startsWith(prefix));
      return block ? planBlockTensor(options, block, name) : copy(source, map.stored.get(name)!, name);
    });
  // A stored head that the config ties is not used, but it is the user's: its bytes come along.
  if (arch.tied && source.tensors.has(LM_HEAD)) planned.push(copy(source, LM_HEAD, LM_HEAD));
  if (hasZeroTokens(arrangement.layout)) planned.push(await planZeroKeys(options, planned));
  return planned;
}

const copy = (source: Checkpoint, from: string, name: string): PlannedTensor => ({
  source: copied(source, from, name),
  how: 'copied',
  from: [from],
});

function planBlockTensor(options: PlanOptions, block: Slot, name: string): PlannedTensor {
  const {source, map, arch, share} = options;
  const rest = name.slice(block.prefix.length);
  const from = block.sources.map((layer) => map.stored.get(`middle.${layer}.${rest}`)!);
  if (block.part !== 'middle' || share !== 'average') return copy(source, from[0]!, name);
  const factors = block.sources.map((layer) => 1 / (layer + 1));
  const fold = arch.inverseLayerScale ? queryFold(arch, rest) : null;
  return {
    source: averaged(source, from, name, fold ? {...fold, factors} : undefined),
    how: 'averaged',
    from,
  };
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

async function planZeroKeys(options: PlanOptions, planned: PlannedTensor[]): Promise<PlannedTensor> {
  const {arch, arrangement, zeroInit, seed} = options;
  const run = slots(arrangement);
  const shape = [run.length, arch.heads, arch.width / arch.heads] as const;
  const biases = zeroInit === 'aligned' ? await queryBiases(arch, run, planned) : [];
  const bytes = fromFloat32(zeroKeys(zeroInit, shape, seed, biases), 'F32');
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

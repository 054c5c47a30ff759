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
  qkvWidths,
  slots,
  ZERO_KEYS,
  zeroKeysShape,
  type Architecture,
  type Arrangement,
  type Share,
  type Slot,
  type TensorMap,
} from '../../model/index.js';
import {
  averaged,
  cast,
  copied,
  valuesOf,
  type QueryFold,
  type TensorReader,
} from '../source/tensor-source.js';
import {zeroKeys, type ZeroKeyInit} from '../zero-tokens/zero-keys.js';

/** How an output tensor comes from the source's tensors; `made` has no source. */
type How = 'copied' | 'cast' | 'averaged' | 'made';

/** A tensor of the output, and how it comes about. */
export interface PlannedTensor {
  source: TensorSource;
  how: How;
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
  if (arch.lmHead.tied && source.tensors.has(LM_HEAD) && !usesHead)
    planned.push(take(options, LM_HEAD, LM_HEAD));
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
  requireOneKind(arch, block);
  const factors = block.sources.map((layer) => 1 / arch.layers[layer]!.attention.scaleDivisor);
  const query = queryFold(arch, block.sources, rest);
  const fold = query && factors.some((factor) => factor !== 1) ? {...query, factors} : undefined;
  const dtype = options.dtype ?? undefined;
  return {source: averaged(source, from, name, {dtype, fold}), how: 'averaged', from};
}

/** @throws UsageError where layers are to be averaged that differ in more than their weights */
function requireOneKind({layers}: Architecture, {place, sources}: Slot): void {
  const kindOf = (layer: number) => {
    const {attention, ...parts} = layers[layer]!;
    return JSON.stringify({...parts, attention: {...attention, scaleDivisor: 1}});
  };
  const other = sources.find((layer) => kindOf(layer) !== kindOf(sources[0]!));
  if (other === undefined) return;
  throw new UsageError(
    `share average would average layers ${sources.join(', ')} at middle layer ${place}, and ${other} is of another kind than ${sources[0]}: their mean would be neither; use first, last or stepwise.`,
  );
}

/** Where the query stands in a tensor of the block of these layers, which are alike; null if it has none. */
export function queryFold(arch: Architecture, layers: readonly number[], name: string): QueryFold | null {
  const {qkv} = arch.layers[layers[0]!]!.attention;
  const [module, kind] = [name.replace(/\.[^.]*$/, ''), name.slice(name.lastIndexOf('.') + 1)];
  const {q, k, v} = qkvWidths(arch);
  switch (qkv.kind) {
    case 'columns': {
      if (module !== qkv.qkv.name) return null;
      const row = kind === 'weight' && arch.weightLayout === 'oi' ? arch.width : 1;
      return {period: (q + k + v) * row, queries: q * row};
    }
    case 'separate':
      return module === qkv.q.name ? {period: 1, queries: 1} : null;
  }
}

async function planZeroKeys(options: PlanTensorsOptions, planned: PlannedTensor[]): Promise<PlannedTensor> {
  const {arch, arrangement, zeroInit} = options;
  const run = slots(arrangement);
  const shape = zeroKeysShape(arch, arrangement);
  const biases = zeroInit.kind === 'aligned' ? await queryBiases(arch, run, planned) : [];
  const bytes = fromFloat32(zeroKeys(zeroInit, shape, biases), 'F32');
  return {
    source: {name: ZERO_KEYS, dtype: 'F32', shape, chunks: () => [bytes]},
    how: 'made',
    from: [],
  };
}

/** Each slot's query bias [H d], as the converted model has it. */
async function queryBiases(
  arch: Architecture,
  run: Slot[],
  planned: PlannedTensor[],
): Promise<Float32Array[]> {
  const biases: Float32Array[] = [];
  for (const {prefix, sources} of run) {
    const {qkv} = arch.layers[sources[0]!]!.attention;
    const map = qkv.kind === 'columns' ? qkv.qkv : qkv.q;
    if (!map.bias) {
      throw new UsageError(
        'zero-init aligned needs query biases, which this model has not; use normal or zeros.',
      );
    }
    const tensor = planned.find(({source}) => source.name === `${prefix}${map.name}.bias`)!;
    biases.push((await valuesOf(tensor.source)).subarray(0, qkvWidths(arch).q));
  }
  return biases;
}

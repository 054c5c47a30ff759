import type {TensorLayout} from '../../checkpoint/index.js';
import {blocks, slots, type Arrangement, type TensorMap} from '../../model/index.js';
import type {PlannedTensor} from './tensor-plan.js';
import type {TensorReader} from '../source/tensor-source.js';

/** What becomes of a tensor of the source. */
export interface SourceEntry extends TensorLayout {
  how: 'copied' | 'cast' | 'averaged' | 'dropped';
  /** The output's tensor; null for one that is dropped. */
  to: string | null;
  /** Why it is dropped; null for one that is not. */
  why: string | null;
}

/** Where a tensor of the output comes from. */
export interface TargetEntry extends TensorLayout {
  how: PlannedTensor['how'];
  /** The source's tensors. */
  from: string[];
  /** The executed layers, from 0, that run with it, which share it if they are several; null outside the blocks. */
  slots: number[] | null;
}

/** Every tensor of both sides, and how they belong together. */
export interface Ledger {
  /** In the order of the source's files. */
  source: SourceEntry[];
  /** In the model's order. */
  target: TargetEntry[];
}

/** Draws up the ledger of a conversion. */
export function ledgerOf(
  source: TensorReader & {tensors: ReadonlyMap<string, unknown>},
  map: TensorMap,
  arrangement: Arrangement,
  planned: readonly PlannedTensor[],
): Ledger {
  const uses = new Map(planned.flatMap((tensor) => tensor.from.map((name) => [name, tensor] as const)));
  const layers = new Map(
    [...map.stored].map(([ours, theirs]) => [theirs, /^middle\.(\d+)\./.exec(ours)?.[1]]),
  );
  const run = slots(arrangement);
  const stored = blocks(arrangement);
  return {
    source: [...source.tensors.keys()].map((name) => {
      const {dtype, shape} = source.info(name);
      const use = uses.get(name);
      if (use)
        return {name, dtype, shape, how: use.how as SourceEntry['how'], to: use.source.name, why: null};
      const why = map.dropped.get(name) ?? `layer ${layers.get(name)} has no place in the layout`;
      return {name, dtype, shape, how: 'dropped', to: null, why};
    }),
    target: planned.map(({source: {name, dtype, shape}, how, from}) => {
      const block = stored.find(({prefix}) => name.startsWith(prefix));
      const users = run.flatMap(({prefix}, slot) => (prefix === block?.prefix ? [slot] : []));
      return {name, dtype, shape, how, from, slots: block ? users : null};
    }),
  };
}

import * as tf from '@tensorflow/tfjs-core';
import type {Network, NetworkSlot} from '../network.js';
import type {PassOptions, PassResult} from './pass.js';
import {SequencePass} from './sequence-pass.js';
import type {Strand} from './strands.js';

/** A slot that is about to run, for those who learn its zero key. */
export interface SlotAhead {
  slot: NetworkSlot;
  /** The queries [N, H d] that meet the slot's zero key, of the rows at these places. */
  queries: (places: readonly number[]) => Promise<Float32Array>;
}

/** Is given a slot where an exit could be, what would come of it, and the slot. `result.hidden` is not its to keep. */
type Observe = (index: number, result: PassResult, ahead: SlotAhead) => Promise<void>;

/** A pass at full depth that also shows what an exit before each slot would give. */
export class ExitsPass extends SequencePass {
  /** @param only - the slots to look at; all where an exit could be unless given */
  constructor(
    network: Network,
    strands: readonly Strand[],
    options: PassOptions,
    private readonly observe: Observe,
    private readonly only?: ReadonlySet<number>,
  ) {
    super(network, strands, options);
  }

  protected override async step(index: number, slot: NetworkSlot): Promise<void> {
    if (this.options.rule.mayExit(index) && (this.only?.has(index) ?? true)) {
      const tail = [...this.slots.keys()].filter((other) => this.slots[other]!.part === 'tail');
      const hidden = tf.tidy(() =>
        tail.reduce((x, other) => this.apply(other, this.slots[other]!, x).next, tf.clone(this.x)),
      );
      const depths = this.depths.map((depth) => {
        const slots = [...depth.slots, ...tail];
        const slotsPerToken = depth.slotsPerToken.slice().fill(slots.length);
        return {...depth, slots, slotsPerToken, exit: index, exitScores: [], zeroAttention: []};
      });
      const result: PassResult = {hidden, depths, granularity: 'sequence'};
      await this.observe(index, result, {slot, queries: (places) => this.queriesOf(slot, places)});
      hidden.dispose();
    }
    await super.step(index, slot);
  }

  private async queriesOf(slot: NetworkSlot, places: readonly number[]): Promise<Float32Array> {
    const {blocks} = this.network;
    const queries = tf.tidy(() => {
      const rows = tf.gather<tf.Tensor2D>(this.x, tf.tensor1d([...places], 'int32'));
      return tf.clone(blocks.zeroQueries(blocks.attentionRows(rows, slot), slot));
    });
    const values = (await queries.data()) as Float32Array;
    queries.dispose();
    return values;
  }
}

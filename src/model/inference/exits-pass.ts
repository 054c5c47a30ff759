import * as tf from '@tensorflow/tfjs-core';
import type {Network, NetworkSlot} from '../network.js';
import type {PassOptions, PassResult} from './pass.js';
import {SequencePass} from './sequence-pass.js';
import type {Strand} from './strands.js';

/** A pass at full depth that also shows what an exit before each slot would give. */
export class ExitsPass extends SequencePass {
  /** @param observe - is given each slot where an exit could be, and what would come of it; `hidden` is not its to keep */
  constructor(
    network: Network,
    strands: readonly Strand[],
    options: PassOptions,
    private readonly observe: (slot: number, result: PassResult) => Promise<void>,
  ) {
    super(network, strands, options);
  }

  protected override async step(index: number, slot: NetworkSlot): Promise<void> {
    if (this.options.rule.mayExit(index)) {
      const tail = [...this.slots.keys()].filter((other) => this.slots[other]!.part === 'tail');
      const hidden = tf.tidy(() =>
        tail.reduce((x, other) => this.apply(other, this.slots[other]!, x).next, tf.clone(this.x)),
      );
      const depths = this.depths.map((depth) => {
        const slots = [...depth.slots, ...tail];
        const slotsPerToken = depth.slotsPerToken.slice().fill(slots.length);
        return {...depth, slots, slotsPerToken, exit: index, exitScores: [], zeroAttention: []};
      });
      await this.observe(index, {hidden, depths, granularity: 'sequence'});
      hidden.dispose();
    }
    await super.step(index, slot);
  }
}

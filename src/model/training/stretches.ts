import type * as tf from '@tensorflow/tfjs-core';
import type {BranchHook} from '../block.js';
import type {Part, Slot} from '../layout.js';
import type {MixedDepths} from './mixed-depths.js';

/**
 * The hook for a stretch of the forward pass. It is made anew whenever the stretch runs, so that one that is computed
 * twice is the same both times.
 */
export type HookFor = (stretch: number) => BranchHook;

/** What a forward pass in training may be told. */
export interface PassOptions {
  /** What is done to the branches of each stretch, for dropout. */
  hookFor?: HookFor;
  /** Cycles to run, from 1; all of them unless given. The tail follows the last one. */
  cycles?: number;
  /** Tokens that leave the cycles early; none unless given. */
  depths?: MixedDepths;
}

/** A slot with a zero token, as it is passed. */
export interface PassedSlot {
  /** Its place among all slots. */
  index: number;
  /** The hidden state [B, T, D] before it, which an exit there would give the tail. */
  before: tf.Tensor3D;
  /** Computes its zero attention [B, H, T]; the gradient reaches the zero key alone. */
  zero: () => tf.Tensor3D;
}

/**
 * A part of the forward pass: the embedding, which takes no hidden state and is of no part, the head, a cycle of the
 * middle, or the tail.
 */
export interface Stretch {
  part: Part | null;
  /** 1-based; 1 outside the middle. */
  cycle: number;
  run: (x: tf.Tensor3D | null, observe?: (slot: PassedSlot) => void) => tf.Tensor3D;
}

/** A slot and its place among all slots. */
export type PlacedSlot = Slot & {index: number};

/** The slots that run with so many cycles, in groups: the head, each cycle, the tail. */
export function stretchSlots(slots: readonly Slot[], cycles = Infinity): PlacedSlot[][] {
  const groups: PlacedSlot[][] = [];
  for (const [index, slot] of slots.entries()) {
    if (slot.part === 'middle' && slot.cycle > cycles) continue;
    const group = groups.at(-1);
    const goesOn = group?.[0]?.part === slot.part && group[0].cycle === slot.cycle;
    if (group && goesOn) group.push({...slot, index});
    else groups.push([{...slot, index}]);
  }
  return groups;
}

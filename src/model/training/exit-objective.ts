import * as tf from '@tensorflow/tfjs-core';
import {withoutGradient, zeroCrossEntropy} from '../../ops/index.js';
import type {Network} from '../network.js';
import type {PassedSlot} from './stretches.js';
import type {Targets} from './targets.js';

// Shapes: B batch, T tokens, D width, H heads.

/** Below any weight of a row: a row without targets has a cost of 0, which weighs nothing. */
const TINY = 1e-30;

/** Whose cost counts: the mean of the sequence, as an exit takes it whole, or each token's own. */
export type ExitUnit = 'sequence' | 'token';

/**
 * Teaches zero attention to say whether an exit would cost little. The cost of an exit before a slot is the next-token
 * loss that the tail then gives, less that at full depth. Where it is at most the margin, each head's zero attention in
 * the slot is drawn to 1, elsewhere to 0, by binary cross-entropy: it becomes the probability that the exit costs at
 * most the margin, as far as a token and those before it can tell, however many they are. The
 * gradient reaches the zero keys alone; the costs are taken as given.
 */
export interface ExitObjective {
  /** What the cross-entropy of each slot, averaged over the tokens, counts in the loss. */
  weight: number;
  /** What an exit may cost, in nats a token. */
  margin: number;
  unit: ExitUnit;
  /** The slots whose exits it measures. */
  slots: ReadonlySet<number>;
  /** Slots that are never to be exits: their zero attention is drawn to 0, and no cost is computed. */
  closed?: ReadonlySet<number>;
}

/** What was found at a slot: means over a batch. */
export interface ExitMeasure {
  slot: number;
  /** What an exit before the slot costs, in nats a token that counts in the loss. */
  cost: tf.Scalar;
  /** The share of tokens that were drawn to 1. */
  harmless: tf.Scalar;
  /** The slot's zero attention. */
  zero: tf.Scalar;
}

/** What the objective found at a slot, and asks of it. */
type Judged = {
  /** 1 or 0, [B, T]. */
  targets: tf.Tensor2D;
  cost: tf.Scalar;
  harmless: tf.Scalar;
};

/** The costs of exits in one forward pass, and the loss that they make. */
export class ExitCosts {
  /** For each slot, the losses [B, T] that the tail gives after an exit before it. */
  private readonly losses = new Map<number, tf.Tensor2D>();
  private readonly judged = new Map<number, Judged>();
  /** Each token's share of the mean, [B, T]. */
  private readonly shares: tf.Tensor2D;
  readonly measures: ExitMeasure[] = [];

  /** @param tail - from a hidden state [B, T, D] to the last one */
  constructor(
    private readonly network: Network,
    private readonly targets: Targets,
    private readonly objective: ExitObjective,
    private readonly tail: (x: tf.Tensor3D) => tf.Tensor3D,
    [B, T]: readonly [B: number, T: number],
  ) {
    this.shares = tf.keep(
      tf.tidy(() => {
        const counts: tf.Tensor2D = tf.reshape(targets.weights, [B, T]);
        // A row's cost says something about all of its tokens, also about those that are no targets themselves.
        const ofRow = tf.tile(tf.mean(counts, 1, true), [1, T]);
        return tf.clone(objective.unit === 'sequence' ? (ofRow as tf.Tensor2D) : counts);
      }),
    );
  }

  /** Whether the objective looks at a slot. */
  looksAt({index}: PassedSlot): boolean {
    const {slots, closed} = this.objective;
    return slots.has(index) || (closed?.has(index) ?? false);
  }

  /** Computes what an exit before a slot would give. */
  observe({index, before}: PassedSlot): void {
    if (!this.objective.slots.has(index)) return;
    this.losses.set(index, tf.keep(this.tokenLosses(() => this.tail(before))));
  }

  /** Compares all slots with full depth. @param last - the last hidden state [B, T, D] */
  compare(last: tf.Tensor3D): void {
    const full = this.tokenLosses(() => last);
    for (const [slot, losses] of this.losses) {
      const judged = tf.tidy(() => this.judge(tf.sub(losses, full)));
      for (const tensor of Object.values(judged)) tf.keep(tensor);
      this.judged.set(slot, judged);
    }
    full.dispose();
  }

  /** A slot's part of the loss, from its zero attention [B, H, T]. */
  loss(slot: number, zero: tf.Tensor3D): tf.Scalar {
    const judged = this.judged.get(slot);
    if (judged) {
      const mean = tf.keep(withoutGradient(() => tf.mean<tf.Scalar>(zero)));
      const [cost, harmless] = [tf.keep(judged.cost.clone()), tf.keep(judged.harmless.clone())];
      this.measures.push({slot, cost, harmless, zero: mean});
    }
    const targets = judged?.targets ?? tf.zerosLike(this.shares);
    return zeroCrossEntropy(zero, targets, tf.mul(this.shares, this.objective.weight));
  }

  /** Frees what it holds, but not the measures. */
  dispose(): void {
    const judged = [...this.judged.values()].flatMap((each) => Object.values(each));
    tf.dispose([this.shares, ...this.losses.values(), ...judged]);
  }

  private judge(costs: tf.Tensor2D): Judged {
    const {unit, margin} = this.objective;
    const [B, T] = costs.shape;
    const counts = tf.reshape(this.targets.weights, [B, T]);
    const weighed = tf.mul(costs, counts);
    const ofRow = tf.div(tf.sum(weighed, 1, true), tf.maximum(tf.sum(counts, 1, true), TINY));
    const counted = unit === 'sequence' ? tf.tile(ofRow, [1, T]) : costs;
    const targets: tf.Tensor2D = tf.sub(1, tf.step(tf.sub(counted, margin)));
    return {targets, cost: tf.sum(weighed), harmless: tf.sum(tf.mul(targets, this.shares))};
  }

  /** [B, T], from a last hidden state [B, T, D]. */
  private tokenLosses(last: () => tf.Tensor3D): tf.Tensor2D {
    return withoutGradient(() => {
      const hidden = last();
      const [B, T, D] = hidden.shape;
      return tf.reshape(this.network.tokenLosses(tf.reshape(hidden, [B * T, D]), this.targets.next), [B, T]);
    });
  }
}

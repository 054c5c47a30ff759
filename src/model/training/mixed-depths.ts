import * as tf from '@tensorflow/tfjs-core';
import {selectTokens, withoutGradient} from '../../ops/index.js';

// Shapes: B batch, T tokens, D width, H heads.

/** How tokens of one row leave the cycles early in a training step, as exits by token let them. */
export interface RowExits {
  /** The share of its tokens that leave, from 0 to 1: as many before each cycle that exits are checked in. */
  share: number;
  /** Who leaves first: who has the most zero attention, or who has the largest of these numbers from 0 to 1, [T]. */
  by: 'zero-attention' | readonly number[];
}

/** Above any score: nobody leaves. */
const NEVER = 2;

/**
 * Tokens that leave the cycles early while a batch is trained on. A token that has left keeps its state, and the later
 * slots read keys and values that are made of this state, just as in inference. The loss is that of the mixed pass.
 */
export class MixedDepths {
  /** Who goes on in each cycle, 1 or 0, [B, T, 1]; kept, so that a cycle that is computed again is the same. */
  private readonly goes = new Map<number, tf.Tensor3D>();

  /**
   * @param rows - for each row who leaves; null where nobody does
   * @param tokens - T
   * @param cycles - the cycles before which tokens may leave, in order
   */
  constructor(
    private readonly rows: readonly (RowExits | null)[],
    private readonly tokens: number,
    private readonly cycles: readonly number[],
  ) {}

  /** Whether tokens may leave before a cycle that has not been chosen for yet. */
  chooses(cycle: number): boolean {
    return this.cycles.includes(cycle) && !this.goes.has(cycle);
  }

  /**
   * Chooses who leaves before a cycle.
   * @param zero - computes the zero attention [B, H, T] of the cycle's first slot; null where there are no zero tokens
   */
  choose(cycle: number, zero: (() => tf.Tensor3D) | null): void {
    const at = this.cycles.indexOf(cycle);
    const before = this.goes.get(this.cycles[at - 1] ?? 0) ?? null;
    const leaving = this.rows.map((row) => {
      const upTo = (part: number) =>
        Math.round(((row?.share ?? 0) * this.tokens * part) / this.cycles.length);
      return upTo(at + 1) - upTo(at);
    });
    const goes = withoutGradient(() => this.goOn(leaving, before, zero));
    this.goes.set(cycle, tf.keep(goes));
  }

  /** The state after a slot of a cycle: what the slot gives for tokens that go on, and what was before for others. */
  after(cycle: number, before: tf.Tensor3D, after: tf.Tensor3D): tf.Tensor3D {
    const goes = this.goes.get(cycle);
    return goes ? selectTokens(before, after, goes) : after;
  }

  dispose(): void {
    tf.dispose([...this.goes.values()]);
  }

  private goOn(
    leaving: readonly number[],
    before: tf.Tensor3D | null,
    zero: (() => tf.Tensor3D) | null,
  ): tf.Tensor3D {
    const [B, T] = [this.rows.length, this.tokens];
    const stillIn = before ? tf.reshape(before, [B, T]) : tf.ones([B, T]);
    // Who has left before scores below all others.
    const scores = tf.sub(tf.mul(tf.add(this.scores(zero), 1), stillIn), 1);
    const sorted = tf.topk(scores, T).values;
    const last = tf.tensor2d(
      leaving.map((count) => Array.from({length: T}, (_, place) => (place === count - 1 ? 1 : 0))),
    );
    const never = tf.tensor2d(leaving.map((count) => [count === 0 ? NEVER : 0]));
    const cut = tf.add(tf.sum(tf.mul(sorted, last), 1, true), never);
    const stays = tf.step(tf.sub(cut, scores));
    return tf.reshape(tf.mul(stays, stillIn), [B, T, 1]);
  }

  /** Each token's score from 0 to 1, [B, T]: the largest leave first. */
  private scores(zero: (() => tf.Tensor3D) | null): tf.Tensor2D {
    const T = this.tokens;
    const none = () => new Array<number>(T).fill(0);
    const given = tf.tensor2d(
      this.rows.map((row) => (row && row.by !== 'zero-attention' ? [...row.by] : none())),
    );
    const byZero = this.rows.map((row) => [row?.by === 'zero-attention' ? 1 : 0]);
    if (!zero || byZero.every(([by]) => by === 0)) return given;
    return tf.add(given, tf.mul(tf.mean(zero(), 1), tf.tensor2d(byZero)));
  }
}

import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runKernel} from './fused.js';
import type {Columns} from './strands.js';

/** How much larger a pool becomes than it must, so that rows are not copied each time that some come. */
const GROWTH = 1.5;

/** Rows [n, width] to which others are added: what a cache is made of. Where an engine can, they are added in place. */
export class RowPool {
  private pool: tf.Tensor2D | null = null;
  private filled = 0;

  constructor(private readonly width: number) {}

  /** Rows that were added. */
  get count(): number {
    return this.filled;
  }

  /** Bytes that it holds, room for more rows included. */
  get bytes(): number {
    return 4 * (this.pool?.size ?? 0);
  }

  /** The rows, perhaps with room after them, until the next ones are added. The pool's to dispose of. */
  get rows(): tf.Tensor2D {
    return this.pool!;
  }

  /** Adds the columns of all rows of a tensor. @returns the place of the first */
  append({rows, at}: Columns): number {
    const start = this.filled;
    const count = rows.shape[0];
    const columns = () => tf.slice(rows, [0, at], [count, this.width]);
    if (!hasKernel('ZttAppendRows')) {
      this.replace(() => (this.pool ? tf.concat([this.pool, columns()]) : tf.clone(columns())));
    } else {
      if (start + count > (this.pool?.shape[0] ?? 0)) this.grow(start + count);
      runKernel('ZttAppendRows', {pool: this.pool!, rows}, {at: start, from: at});
    }
    this.filled += count;
    return start;
  }

  dispose(): void {
    this.pool?.dispose();
    this.pool = null;
  }

  private grow(least: number): void {
    const before = this.pool;
    const capacity = before ? Math.ceil(least * GROWTH) : least;
    this.replace(() => {
      const larger = tf.zeros<tf.Rank.R2>([capacity, this.width]);
      if (before) runKernel('ZttAppendRows', {pool: larger, rows: before}, {at: 0, from: 0});
      return larger;
    });
  }

  private replace(make: () => tf.Tensor2D): void {
    const next = tf.keep(tf.tidy(make));
    this.pool?.dispose();
    this.pool = next;
  }
}

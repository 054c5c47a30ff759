import * as tf from '@tensorflow/tfjs-core';
import {
  activation,
  addLowRank,
  linear,
  linearPart,
  type ActivationName,
  type LowRank,
  type OutputRange,
} from '../ops/index.js';
import type {LinearModule, WeightLayout} from './architecture.js';
import type {Weights} from './weights.js';

/** Where the parameters of a linear map lie. */
export interface MapPrefixes {
  /** What the block's tensor names begin with. */
  prefix: string;
  /** What the slot's LoRA tensor names begin with, where there are any. */
  lora?: string;
}

/** The linear maps of blocks, with the LoRA matrices that they may have. Shapes: N rows, I inputs, O outputs. */
export class LinearMaps {
  constructor(
    private readonly weights: Weights,
    private readonly layout: WeightLayout,
    /** What the product of LoRA matrices is multiplied by. */
    private readonly loraScale: number,
  ) {}

  /** x [..., I] to [..., O], through an activation if one is given. */
  apply<T extends tf.Tensor>(x: T, run: MapPrefixes, {name}: LinearModule, through?: ActivationName): T {
    const weight = this.weights.get(`${run.prefix}${name}.weight`);
    const bias = this.weights.find(`${run.prefix}${name}.bias`);
    const lora = this.loraOf(run, name);
    if (!lora) return linear(x, weight, bias, this.layout, through);
    return tf.tidy(() => {
      const sum = addLowRank(linear(x, weight, bias, this.layout), x, lora);
      return through ? activation(sum, through) : sum;
    });
  }

  /** Half of what LoRA adds to a map of x [N, I], [N, rank]; null where it adds nothing. Not for training. */
  low(x: tf.Tensor2D, run: MapPrefixes, {name}: LinearModule): tf.Tensor2D | null {
    const lora = this.loraOf(run, name);
    return lora && tf.mul<tf.Tensor2D>(tf.matMul(x, lora.a, false, true), lora.scale);
  }

  /** Some neighbouring outputs of a map of x [N, I]. Not for training. @param low - as `low` gives it */
  outputs(
    x: tf.Tensor2D,
    low: tf.Tensor2D | null,
    run: MapPrefixes,
    {name}: LinearModule,
    range: OutputRange,
  ): tf.Tensor2D {
    const weight = this.weights.get(`${run.prefix}${name}.weight`);
    const bias = this.weights.find(`${run.prefix}${name}.bias`);
    const projected = linearPart(x, weight, bias, this.layout, range);
    if (!low) return projected;
    const b = tf.slice(this.loraOf(run, name)!.b, [range.from, 0], [range.count, -1]);
    return tf.add<tf.Tensor2D>(projected, tf.matMul(low, b, false, true));
  }

  /** The LoRA matrices of a slot's linear map, or null. */
  private loraOf(run: MapPrefixes, name: string): LowRank | null {
    const a = run.lora === undefined ? null : this.weights.find(`${run.lora}${name}.A`);
    return a && {a, b: this.weights.get(`${run.lora}${name}.B`), scale: this.loraScale};
  }
}

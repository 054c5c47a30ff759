import * as tf from '@tensorflow/tfjs-core';
import type {Checkpoint} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import type {TensorSpec} from './parameters.js';

/** A model's parameters on the engine, in float32, by their names in our checkpoints. */
export class Weights {
  private constructor(private readonly variables: Map<string, tf.Variable>) {}

  /**
   * Reads each parameter from the checkpoint, one at a time. What is read is given back to the engine if a read fails.
   * @param onRead - called after each parameter with its number of values; what it throws ends the reading
   */
  static async read(
    checkpoint: Checkpoint,
    specs: readonly TensorSpec[],
    stored: ReadonlyMap<string, string>,
    onRead?: (values: number) => void,
  ): Promise<Weights> {
    const weights = new Weights(new Map());
    try {
      for (const {name, shape} of specs) {
        const values = await checkpoint.readFloat32(stored.get(name)!);
        weights.add([{name, shape, values}]);
        onRead?.(values.length);
      }
    } catch (error) {
      weights.dispose();
      throw error;
    }
    return weights;
  }

  /** Adds parameters that the checkpoint has not. */
  add(parameters: Iterable<TensorSpec & {values: Float32Array}>): void {
    for (const {name, shape, values} of parameters) {
      this.variables.set(
        name,
        tf.tidy(() => tf.variable(tf.tensor(values, shape))),
      );
    }
  }

  /** A parameter. @throws FormatError if the model has none of this name. */
  get(name: string): tf.Variable {
    const variable = this.variables.get(name);
    if (!variable) throw new FormatError(`the model has no parameter ${name}.`);
    return variable;
  }

  /** A parameter, or null for one that the family does without (a bias, say). */
  find(name: string): tf.Variable | null {
    return this.variables.get(name) ?? null;
  }

  entries(): IterableIterator<[string, tf.Variable]> {
    return this.variables.entries();
  }

  /** The parameters that are trained: all but those whose variable is not trainable. */
  trained(): [string, tf.Variable][] {
    return [...this.variables].filter(([, variable]) => variable.trainable);
  }

  dispose(): void {
    for (const variable of this.variables.values()) variable.dispose();
  }
}

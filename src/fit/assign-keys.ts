import * as tf from '@tensorflow/tfjs-core';
import {ZERO_KEYS, type Model} from '../model/index.js';
import type {FittedExit} from './fit-exits.js';

/** Gives a loaded model the zero keys that were fitted. */
export async function assignKeys(
  model: Pick<Model, 'parameters'>,
  exits: readonly FittedExit[],
): Promise<void> {
  const variable = model.parameters().get(ZERO_KEYS)!;
  const values = Float32Array.from((await variable.data()) as Float32Array);
  for (const {slot, keys} of exits) values.set(keys, slot * keys.length);
  const keys = tf.tensor(values, variable.shape);
  variable.assign(keys);
  keys.dispose();
}

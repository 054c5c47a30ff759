import * as tf from '@tensorflow/tfjs-core';
import {useEngine, type EngineChoice} from '../engine/index.js';

/** Of what plain matrix products reach, the share that training reached on the bundled model (docs/results.md). */
const TRAINING_SHARE = 0.5;

const SIZE = 768;
const MILLISECONDS = 300;

/** FLOPs a second that training will reach here, about: a share of what a matrix product reaches, measured now. */
export async function trainingSpeed(engine: EngineChoice): Promise<number> {
  await useEngine(engine);
  const a = tf.randomUniform([SIZE, SIZE]);
  const b = tf.randomUniform([SIZE, SIZE]);
  const product = async () => {
    const c = tf.matMul(a, b);
    await c.data();
    c.dispose();
  };
  try {
    await product();
    const began = performance.now();
    let products = 0;
    while (performance.now() - began < MILLISECONDS) {
      await product();
      products += 1;
    }
    const seconds = (performance.now() - began) / 1000;
    return (TRAINING_SHARE * products * 2 * SIZE ** 3) / seconds;
  } finally {
    tf.dispose([a, b]);
  }
}

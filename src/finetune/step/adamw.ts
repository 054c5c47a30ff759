import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runKernel} from '../../ops/index.js';
import type {AdamWOptions} from '../settings/optimizer-options.js';

interface Moments {
  mean: tf.Variable;
  square: tf.Variable;
}

/**
 * AdamW (Loshchilov & Hutter, arXiv 1711.05101) over named parameters, as PyTorch computes it. Weight decay is
 * for matrices, LoRA's among them: not for norms, biases, embeddings and zero keys.
 */
export class AdamW {
  private readonly moments = new Map<string, Moments>();

  constructor(
    private readonly parameters: ReadonlyMap<string, tf.Variable>,
    private readonly decayed: (name: string) => boolean,
    private readonly options: AdamWOptions,
    /** What each parameter's learning rate is multiplied by. */
    private readonly multiplier: (name: string) => number = () => 1,
  ) {
    for (const [name, parameter] of parameters) {
      const moment = () => tf.variable(tf.zerosLike(parameter as tf.Tensor));
      this.moments.set(
        name,
        tf.tidy(() => ({mean: moment(), square: moment()})),
      );
    }
  }

  /**
   * Updates every parameter.
   * @param gradients - by the parameters' names; one that is not there is 0, as of what a step did not use
   * @param step - 1 for the first
   * @param scale - what every gradient is multiplied by first, for clipping; a tensor where it is on the device
   */
  update(
    gradients: ReadonlyMap<string, tf.Tensor>,
    step: number,
    lr: number,
    scale: number | tf.Scalar,
  ): void {
    const {beta1, beta2, epsilon, weightDecay} = this.options;
    const update = hasKernel('ZttAdamW') ? updateInPlace : updateComposed;
    for (const [name, parameter] of this.parameters) {
      const rate = lr * this.multiplier(name);
      const numbers = {
        scale,
        rate: rate / (1 - beta1 ** step),
        beta1,
        beta2,
        epsilon,
        squareCorrection: Math.sqrt(1 - beta2 ** step),
        decay: this.decayed(name) ? 1 - rate * weightDecay : 1,
      };
      tf.tidy(() => {
        const gradient = gradients.get(name) ?? tf.zerosLike(parameter);
        update(parameter, this.moments.get(name)!, gradient, numbers);
      });
    }
  }

  /** The moments as named variables, for checkpoints: `mean.NAME` and `square.NAME`. */
  state(): Map<string, tf.Variable> {
    return new Map(
      [...this.moments].flatMap(([name, {mean, square}]) => [
        [`mean.${name}`, mean],
        [`square.${name}`, square],
      ]),
    );
  }

  dispose(): void {
    for (const variable of this.state().values()) variable.dispose();
  }
}

/** One parameter's update, with the step's numbers in it. */
interface UpdateNumbers extends Record<
  'rate' | 'beta1' | 'beta2' | 'epsilon' | 'squareCorrection' | 'decay',
  number
> {
  scale: number | tf.Scalar;
}

type Update = (parameter: tf.Variable, moments: Moments, gradient: tf.Tensor, numbers: UpdateNumbers) => void;

const updateComposed: Update = (parameter, {mean, square}, gradient, numbers) => {
  const {scale, rate, beta1, beta2, epsilon, squareCorrection, decay} = numbers;
  tf.tidy(() => {
    const scaled = tf.mul(gradient, scale);
    mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(scaled, 1 - beta1)));
    square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(scaled), 1 - beta2)));
    const denominator = tf.add(tf.div(tf.sqrt(square), squareCorrection), epsilon);
    parameter.assign(tf.sub(tf.mul(parameter, decay), tf.mul(tf.div(mean, denominator), rate)));
  });
};

const updateInPlace: Update = (parameter, {mean, square}, gradient, {scale, ...numbers}) => {
  for (const variable of [parameter, mean, square]) unshare(variable);
  const inputs = {parameter, mean, square, gradient};
  if (typeof scale === 'number') runKernel('ZttAdamW', inputs, {...numbers, scale});
  else runKernel('ZttAdamW', {...inputs, factor: scale}, {...numbers, scale: 1});
};

/** Gives a variable values of its own where another tensor holds the same, which must not change with it. */
function unshare(variable: tf.Variable): void {
  if (tf.backend().refCount(variable.dataId) > 1) tf.tidy(() => variable.assign(tf.mul(variable, 1)));
}

/** The sum of the squares of each gradient, on the device: [gradients]. */
export function sumsOfSquares(gradients: Iterable<tf.Tensor>): tf.Tensor1D {
  const sumSquares = hasKernel('ZttSumSquares')
    ? (x: tf.Tensor) => runKernel('ZttSumSquares', {x}, {})[0]
    : (x: tf.Tensor) => tf.sum(tf.square(x));
  return tf.tidy(() => tf.stack([...gradients].map((gradient) => sumSquares(gradient)))) as tf.Tensor1D;
}

/** The norm of all gradients together, from the sums of their squares. */
export const normOf = (squares: Float32Array): number =>
  Math.sqrt(squares.reduce((sum, value) => sum + value, 0));

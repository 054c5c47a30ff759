import * as tf from '@tensorflow/tfjs-core';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled: each step takes lr x weightDecay of the parameter. */
  weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWOptions = {beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01};

interface Moments {
  mean: tf.Variable;
  square: tf.Variable;
}

/**
 * AdamW (Loshchilov & Hutter, arXiv 1711.05101) over named parameters, as PyTorch computes it. Weight decay is
 * for matrices inside the blocks: not for norms, biases, embeddings and zero keys.
 */
export class AdamW {
  private readonly moments = new Map<string, Moments>();

  constructor(
    private readonly parameters: ReadonlyMap<string, tf.Variable>,
    private readonly decayed: (name: string) => boolean,
    private readonly options: AdamWOptions = ADAMW_DEFAULTS,
  ) {
    for (const [name, {shape}] of parameters) {
      this.moments.set(
        name,
        tf.tidy(() => ({mean: tf.variable(tf.zeros(shape)), square: tf.variable(tf.zeros(shape))})),
      );
    }
  }

  /**
   * Updates every parameter.
   * @param gradients - by the parameters' names
   * @param step - 1 for the first
   * @param scale - what every gradient is multiplied by first, for clipping
   */
  update(gradients: ReadonlyMap<string, tf.Tensor>, step: number, lr: number, scale: number): void {
    const {beta1, beta2, epsilon, weightDecay} = this.options;
    const meanCorrection = 1 - beta1 ** step;
    const squareCorrection = Math.sqrt(1 - beta2 ** step);
    for (const [name, parameter] of this.parameters) {
      const {mean, square} = this.moments.get(name)!;
      const decay = this.decayed(name) ? 1 - lr * weightDecay : 1;
      tf.tidy(() => {
        const gradient = tf.mul(gradients.get(name)!, scale);
        mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(gradient, 1 - beta1)));
        square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
        const denominator = tf.add(tf.div(tf.sqrt(square), squareCorrection), epsilon);
        const change = tf.mul(tf.div(mean, denominator), lr / meanCorrection);
        parameter.assign(tf.sub(tf.mul(parameter, decay), change));
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

/** The norm of all gradients together: sqrt of the sum of their squares. */
export async function globalNorm(gradients: Iterable<tf.Tensor>): Promise<number> {
  const squares = tf.tidy(() => tf.stack([...gradients].map((gradient) => tf.sum(tf.square(gradient)))));
  const values = (await squares.data()) as Float32Array;
  squares.dispose();
  return Math.sqrt(values.reduce((sum, value) => sum + value, 0));
}

import * as tf from '@tensorflow/tfjs-core';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {ZttError} from '../errors.js';
import type {HookFor, LossMask, Model} from '../model/index.js';
import {dropout} from '../ops/index.js';
import {AdamW, globalNorm} from './adamw.js';
import type {FinetuneOptions, RunSettings} from './options.js';
import {learningRate} from './schedule.js';

/** Gradients are scaled down to this global norm. */
const MAX_GRAD_NORM = 1;

/** What a step measured. */
export interface StepResult {
  loss: number;
  lr: number;
  /** Before clipping. */
  gradNorm: number;
  /** Cycles that ran, where they are not the model's. */
  cycles?: number;
  /** By slot: the batch's mean zero attention, where the step measures it. */
  zeroAttention?: number[];
}

/** One training step after another over a model's parameters. */
export class Trainer {
  private readonly parameters: Map<string, tf.Variable>;
  private readonly optimizer: AdamW;

  constructor(
    private readonly model: Model,
    private readonly settings: RunSettings & Pick<FinetuneOptions, 'checkpointCycles'>,
  ) {
    this.parameters = model.parameters();
    const {outer} = model.config.arch;
    const embeddings = [outer.tokens, outer.positions].map((module) => `${module}.weight`);
    this.optimizer = new AdamW(
      this.parameters,
      (name) => this.parameters.get(name)!.rank === 2 && !embeddings.includes(name),
    );
  }

  /** The optimiser's moments, for checkpoints. */
  moments(): Map<string, tf.Variable> {
    return this.optimizer.state();
  }

  /**
   * Runs a step (1-based) on a batch [B][T]: loss, gradients, clipping, update. Leaves no tensor behind.
   * @param lossMask - which tokens count as targets; all unless given
   * @throws ZttError if the loss or a gradient is not finite; the parameters are then as before the step
   */
  async step(step: number, batch: readonly (readonly number[])[], lossMask?: LossMask): Promise<StepResult> {
    const {steps, warmup, lr: peak} = this.settings;
    const lr = learningRate(step, steps, warmup, peak);
    const ids = tf.tensor2d(
      batch.map((row) => [...row]),
      undefined,
      'int32',
    );
    const {loss: value, gradients} = this.model.lossGradients(ids, {
      lossMask,
      hookFor: this.dropoutHooks(step),
      checkpointCycles: this.settings.checkpointCycles,
    });
    const [loss] = (await value.data()) as Float32Array;
    const gradNorm = await globalNorm(gradients.values());
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    if (finite) this.optimizer.update(gradients, step, lr, Math.min(1, MAX_GRAD_NORM / (gradNorm + 1e-6)));
    tf.dispose([ids, value, ...gradients.values()]);
    if (!finite) {
      throw new ZttError(
        `step ${step}: the loss is ${loss} and the gradient norm ${gradNorm}; lower --lr or lengthen --warmup.`,
      );
    }
    return {loss: loss!, lr, gradNorm};
  }

  dispose(): void {
    this.optimizer.dispose();
  }

  /** Dropout where the config asks for it. Its masks depend on the seed, the step and the stretch alone. */
  private dropoutHooks(step: number): HookFor | undefined {
    const rate = this.model.config.ztt?.dropout ?? 0;
    if (rate === 0) return undefined;
    return (stretch) => {
      const random = xoroshiro128plus((this.settings.seed * 1_000_003 + step) * 10_007 + stretch);
      return (x) => dropout(x, rate, random);
    };
  }
}

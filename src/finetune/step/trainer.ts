import * as tf from '@tensorflow/tfjs-core';
import {
  embeddingTables,
  ZERO_KEYS,
  type HookFor,
  type LossMask,
  type Model,
  type RowExits,
} from '../../model/index.js';
import {seededBy} from '../../data/index.js';
import {addGradients, dropout} from '../../ops/index.js';
import {AdamW, sumsOfSquares} from './adamw.js';
import {cyclesOfStep, exitSlotsOfStep, trainsExits} from '../settings/cycles.js';
import {lrPartOf, parseLrMult} from '../settings/lr-mult.js';
import type {FinetuneOptions, RunSettings} from '../settings/options.js';
import {learningRate} from '../settings/schedule.js';
import {rowExits} from './row-exits.js';
import {readSteps, type StepResult, type StepValues} from './step-values.js';
import type {Teacher} from './teacher.js';
import {parseTrain, trainedParameters} from '../settings/trainable.js';

/** A batch [B][T] of token ids. */
type Rows = readonly (readonly number[])[];

/** Keeps the clipping of a gradient of 0 finite, as PyTorch does. */
const EPSILON = 1e-6;

/**
 * One training step after another over those of a model's parameters that are trained. The others are frozen until the
 * trainer is disposed of: they have neither gradients nor moments.
 */
export class Trainer {
  private readonly optimizer: AdamW;

  constructor(
    private readonly model: Model,
    private readonly settings: RunSettings & Pick<FinetuneOptions, 'checkpointCycles'>,
    private readonly teacher: Teacher | null = null,
  ) {
    const {arch} = model.config;
    const parameters = model.parameters();
    const names = trainedParameters(parseTrain(settings.train), parameters.keys(), arch);
    for (const [name, variable] of parameters) variable.trainable = names.has(name);
    const trained = new Map([...parameters].filter(([name]) => names.has(name)));
    const embeddings = embeddingTables(arch);
    const decayed = (name: string) => trained.get(name)!.rank === 2 && !embeddings.includes(name);
    const multipliers = parseLrMult(settings.lrMult);
    const multiplier = (name: string) => multipliers.get(lrPartOf(name, arch)) ?? 1;
    this.optimizer = new AdamW(trained, decayed, settings, multiplier);
  }

  /** The optimiser's moments, for checkpoints. */
  moments(): Map<string, tf.Variable> {
    return this.optimizer.state();
  }

  /**
   * Runs a step (1-based) on a batch [B][T], in `accumulate` micro-batches: loss, gradients, clipping, update. Leaves
   * no tensor behind.
   * @param lossMask - which tokens count as targets; all unless given
   * @throws ZttError if the loss or a gradient is not finite; the parameters are then as before the step
   */
  async step(step: number, batch: Rows, lossMask?: LossMask): Promise<StepResult> {
    const {gradients, values} = this.gradients(step, batch, lossMask);
    try {
      const [result] = (await readSteps([values])) as [StepResult];
      this.optimizer.update(gradients, step, values.lr, this.clipping(result.gradNorm));
      return result;
    } finally {
      tf.dispose([...gradients.values()]);
    }
  }

  /**
   * The same for an engine that computes later: nothing waits for it, clipping included. What the step measured is for
   * `readSteps`, which also tells whether it was finite; if not, the parameters are lost.
   */
  stepAhead(step: number, batch: Rows, lossMask?: LossMask): StepValues {
    const {gradients, values} = this.gradients(step, batch, lossMask);
    const scale = this.clippingAhead(values.squares);
    this.optimizer.update(gradients, step, values.lr, scale);
    tf.dispose([...gradients.values(), ...(scale instanceof tf.Tensor ? [scale] : [])]);
    return values;
  }

  dispose(): void {
    this.optimizer.dispose();
    for (const variable of this.model.parameters().values()) variable.trainable = true;
  }

  /** What a step's pass runs, and what counts in its loss. */
  private passOfStep(step: number) {
    const {settings} = this;
    const {arrangement, ztt} = this.model.config;
    const cycles = cyclesOfStep(step, arrangement.cycles, settings);
    const weight =
      settings.exitObjectiveWeight * Math.min(1, step / (settings.exitObjectiveWarmup * settings.steps));
    // What an exit costs is known where all cycles run, and nothing learns it where the keys are frozen.
    const learns = cycles === arrangement.cycles && this.model.parameters().get(ZERO_KEYS)?.trainable;
    const exiting = trainsExits(step, settings);
    const exits =
      settings.exitObjective !== 'off' && learns && exiting
        ? {
            weight,
            margin: settings.exitMargin,
            unit: settings.exitObjective,
            ...exitSlotsOfStep(step, arrangement, ztt?.exit_from_cycle ?? 2, settings.seed),
          }
        : undefined;
    const exitLossWeight = exiting ? settings.exitLossWeight : 0;
    return {cycles, exitLossWeight, exits, mixes: exiting && settings.mixedDepths > 0};
  }

  /** What a batch measures and its gradients, one micro-batch after another: each adds its share of the mean. */
  private gradients(step: number, batch: Rows, lossMask?: LossMask) {
    const {mixes, ...pass} = this.passOfStep(step);
    const all = pass.cycles === this.model.config.arrangement.cycles;
    const losses: tf.Tensor[] = [];
    const exits: StepValues['exits'] = [];
    const gradients = new Map<string, tf.Tensor>();
    const targets = targetCount(batch, lossMask);
    const size = Math.ceil(batch.length / this.settings.accumulate);
    for (let start = 0; start < batch.length; start += size) {
      const rows = batch.slice(start, start + size);
      const ids = tf.tensor2d(
        rows.map((row) => [...row]),
        undefined,
        'int32',
      );
      const teacher = this.teacher?.of(ids);
      const part = this.model.lossGradients(ids, {
        ...pass,
        ...(mixes && {mixedDepths: this.exitsOf(step, start, rows)}),
        teacher,
        hookFor: this.dropoutHooks(step, start),
        checkpointCycles: this.settings.checkpointCycles,
        lossMask: lossMask?.slice(start, start + size),
        targets,
      });
      losses.push(part.loss);
      addGradients(gradients, part.gradients);
      exits.push(...part.exits.map((measure) => ({share: rows.length / batch.length, measure})));
      tf.dispose([ids, ...(teacher ? [teacher.state] : [])]);
    }
    const values: StepValues = {
      step,
      lr: learningRate(step, this.settings),
      ...(all ? {} : {cycles: pass.cycles}),
      losses,
      squares: sumsOfSquares(gradients.values()),
      exits,
    };
    return {gradients, values};
  }

  /** Which tokens of some rows leave the cycles early. @param start - the first row's place in the batch */
  private exitsOf(step: number, start: number, rows: Rows): (RowExits | null)[] {
    return rows.map((row, i) => rowExits(this.settings, {step, row: start + i, tokens: row.length}));
  }

  /** What gradients of this norm are multiplied by. */
  private clipping(norm: number): number {
    const {clipNorm} = this.settings;
    return clipNorm > 0 ? Math.min(1, clipNorm / (norm + EPSILON)) : 1;
  }

  /** The same on the device, from the sums of the gradients' squares. */
  private clippingAhead(squares: tf.Tensor1D): tf.Scalar | number {
    const {clipNorm} = this.settings;
    if (clipNorm <= 0) return 1;
    return tf.tidy(() =>
      tf.minimum<tf.Scalar>(1, tf.div(clipNorm, tf.add(tf.sqrt(tf.sum(squares)), EPSILON))),
    );
  }

  /** Dropout where the config asks for it. Its masks depend on the seed, the step, the row and the stretch alone. */
  private dropoutHooks(step: number, row: number): HookFor | undefined {
    const rate = this.model.config.ztt?.dropout ?? 0;
    if (rate === 0) return undefined;
    return (stretch) => {
      const random = seededBy(this.settings.seed, step, row, stretch);
      return (x) => dropout(x, rate, random);
    };
  }
}

/** How many tokens of a batch count as targets. */
function targetCount(batch: Rows, lossMask?: LossMask): number {
  const ofRow = (row: readonly number[], i: number) =>
    lossMask ? lossMask[i]!.slice(1).filter((counts) => counts).length : row.length - 1;
  return batch.reduce((sum, row, i) => sum + ofRow(row, i), 0);
}

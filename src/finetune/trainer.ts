import * as tf from '@tensorflow/tfjs-core';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {ZttError} from '../errors.js';
import {
  ZERO_KEYS,
  type ExitMeasure,
  type GradientOptions,
  type HookFor,
  type LossMask,
  type Model,
} from '../model/index.js';
import {addGradients, dropout} from '../ops/index.js';
import {AdamW, globalNorm} from './adamw.js';
import {cyclesOfStep, exitSlotsOfStep} from './cycles.js';
import {lrPartOf, parseLrMult} from './lr-mult.js';
import type {ExitFinding} from './metrics.js';
import type {FinetuneOptions, RunSettings} from './options.js';
import {learningRate} from './schedule.js';
import type {Teacher} from './teacher.js';
import {parseTrain, trainedParameters} from './trainable.js';

/** What a step measured. */
export interface StepResult {
  loss: number;
  lr: number;
  /** Before clipping. */
  gradNorm: number;
  /** Cycles that ran, where they are not the model's. */
  cycles?: number;
  /** What exits would have cost at the slots that the step looked at. */
  exits?: ExitFinding[];
  /** By slot: the batch's mean zero attention, where the step measures it. */
  zeroAttention?: number[];
}

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
    const embeddings = [arch.outer.tokens, arch.outer.positions].map((module) => `${module}.weight`);
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
  async step(step: number, batch: readonly (readonly number[])[], lossMask?: LossMask): Promise<StepResult> {
    const lr = learningRate(step, this.settings);
    const pass = this.passOfStep(step);
    const {loss, gradients, exits} = await this.gradients(step, batch, pass, lossMask);
    const gradNorm = await globalNorm(gradients.values());
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    if (finite) this.optimizer.update(gradients, step, lr, this.clipping(gradNorm));
    tf.dispose([...gradients.values()]);
    if (!finite) {
      throw new ZttError(
        `step ${step}: the loss is ${loss} and the gradient norm ${gradNorm}; lower --lr or lengthen --warmup.`,
      );
    }
    const all = pass.cycles === this.model.config.arrangement.cycles;
    return {loss, lr, gradNorm, ...(all ? {} : {cycles: pass.cycles}), ...(exits.length > 0 ? {exits} : {})};
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
    const exits =
      settings.exitObjective !== 'off' && learns
        ? {
            weight,
            margin: settings.exitMargin,
            unit: settings.exitObjective,
            ...exitSlotsOfStep(step, arrangement, ztt?.exit_from_cycle ?? 2, settings.seed),
          }
        : undefined;
    return {cycles, exitLossWeight: settings.exitLossWeight, exits} satisfies GradientOptions;
  }

  /** The loss of a batch and its gradients, one micro-batch after another: each adds its share of the mean. */
  private async gradients(
    step: number,
    batch: readonly (readonly number[])[],
    pass: GradientOptions,
    lossMask?: LossMask,
  ) {
    const exits: ExitFinding[] = [];
    const gradients = new Map<string, tf.Tensor>();
    const targets = targetCount(batch, lossMask);
    const size = Math.ceil(batch.length / this.settings.accumulate);
    let loss = 0;
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
        teacher,
        hookFor: this.dropoutHooks(step, start),
        checkpointCycles: this.settings.checkpointCycles,
        lossMask: lossMask?.slice(start, start + size),
        targets,
      });
      loss += (await part.loss.data())[0]!;
      addGradients(gradients, part.gradients);
      await addFindings(exits, part.exits, rows.length / batch.length);
      tf.dispose([ids, part.loss, ...(teacher ? [teacher.state] : [])]);
    }
    return {loss, gradients, exits};
  }

  /** What gradients of this norm are multiplied by. */
  private clipping(norm: number): number {
    const {clipNorm} = this.settings;
    return clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;
  }

  /** Dropout where the config asks for it. Its masks depend on the seed, the step, the row and the stretch alone. */
  private dropoutHooks(step: number, row: number): HookFor | undefined {
    const rate = this.model.config.ztt?.dropout ?? 0;
    if (rate === 0) return undefined;
    return (stretch) => {
      const numbers = [this.settings.seed, step, row, stretch];
      const random = xoroshiro128plus(numbers.reduce((mixed, n) => Math.imul(mixed, 1_000_003) + n));
      return (x) => dropout(x, rate, random);
    };
  }
}

/** How many tokens of a batch count as targets. */
function targetCount(batch: readonly (readonly number[])[], lossMask?: LossMask): number {
  const ofRow = (row: readonly number[], i: number) =>
    lossMask ? lossMask[i]!.slice(1).filter((counts) => counts).length : row.length - 1;
  return batch.reduce((sum, row, i) => sum + ofRow(row, i), 0);
}

/** Adds what a micro-batch, of this share of the batch, found at exits, and disposes of it. */
async function addFindings(sums: ExitFinding[], found: readonly ExitMeasure[], share: number): Promise<void> {
  for (const {slot, cost, harmless, zero} of found) {
    const [nats, part, z] = await Promise.all(
      [cost, harmless, zero].map(async (value) => (await value.data())[0]!),
    );
    tf.dispose([cost, harmless, zero]);
    let sum = sums.find((each) => each.slot === slot);
    if (!sum) sums.push((sum = {slot, cost: 0, harmless: 0, zero_attention: 0}));
    // The first two are already shares of the whole batch's mean.
    sum.cost += nats!;
    sum.harmless += part!;
    sum.zero_attention += z! * share;
  }
}

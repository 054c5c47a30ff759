import * as tf from '@tensorflow/tfjs-core';
import {activate, type Engine} from '../engine/index.js';
import {UsageError} from '../errors.js';
import {logProbabilities} from '../ops/index.js';
import type {ModelConfig} from './config.js';
import {meanOf, runSlots, type DepthOptions, type DepthResult} from './exit.js';
import {rowFlops} from './flops.js';
import type {
  BatchOptions,
  ForwardOptions,
  LogitsOptions,
  LogitsResult,
  RowScore,
  ScoreRow,
} from './forward.js';
import {lossGradients, nextTokenLoss, type GradientOptions, type LossGradients} from './gradients.js';
import {hasZeroTokens} from './layout.js';
import {MAX_LOGITS, Network} from './network.js';
import {contextsOf, idsTensor, joinZeroAttention, rowStates} from './rows.js';
import type {LossMask} from './targets.js';
import type {Weights} from './weights.js';

// Shapes: B batch, T tokens, D width, H heads, S slots, V vocabulary.

/** A loaded model. Methods that compute are asynchronous, since a GPU's results come so. */
export class Model {
  private readonly network: Network;

  constructor(
    readonly config: ModelConfig,
    readonly engine: Engine,
    private readonly weights: Weights,
  ) {
    this.network = new Network(config, weights);
  }

  /**
   * The logits of rows of equal length.
   * @param ids - [B, T]; with a threshold below 1, one row: rows exit alone, see `logitsBatch`
   * @throws UsageError for ids out of range, rows that are too long, or options that cannot be
   */
  async logits(ids: readonly (readonly number[])[], options: LogitsOptions = {}): Promise<LogitsResult> {
    const T = ids[0]?.length ?? 0;
    const ragged = ids.findIndex((row) => row.length !== T);
    if (ragged >= 0) {
      throw new UsageError(
        `row ${ragged} has ${ids[ragged]!.length} tokens and row 0 has ${T}; logitsBatch takes both.`,
      );
    }
    if (this.forwardOptions(options).threshold < 1 && ids.length > 1) {
      throw new UsageError(
        `a threshold below 1 takes one row, not ${ids.length}; logitsBatch lets each exit alone.`,
      );
    }
    const results = await this.logitsBatch(ids, options);
    const B = results.length;
    const V = this.config.arch.vocabulary;
    const {slots} = results[0]!;
    const {heads: H} = this.config.arch;
    const logits = new Float32Array(B * T * V);
    const zeroAttention = results[0]!.zeroAttention && new Float32Array(slots.length * B * H * T);
    for (const [row, result] of results.entries()) {
      logits.set(result.logits, row * T * V);
      for (let s = 0; zeroAttention && s < slots.length; s++) {
        const z = result.zeroAttention!.subarray(s * H * T, (s + 1) * H * T);
        zeroAttention.set(z, (s * B + row) * H * T);
      }
    }
    return {logits, shape: [B, T, V], slots, zeroAttention};
  }

  /**
   * The logits of rows of any length, each as it would be by itself: padding is on the right and counts in no
   * mean, and each row exits alone.
   * @throws UsageError as `logits`
   */
  async logitsBatch(
    rows: readonly (readonly number[])[],
    options: BatchOptions = {},
  ): Promise<LogitsResult[]> {
    const lengths = rows.map((row) => row.length);
    const {hidden, rows: depths} = await this.run(rows, options.contextLength, {
      ...this.forwardOptions(options),
      keepZeroAttention: true,
    });
    const T = hidden.shape[1];
    const V = this.config.arch.vocabulary;
    const results: LogitsResult[] = [];
    for (const [row, depth] of depths.entries()) {
      const length = lengths[row]!;
      const logits = new Float32Array(length * V);
      await this.headOver(rowStates(hidden, [{row, start: 0, end: length}]), async (chunk, start) => {
        logits.set(await chunk.data(), start * V);
      });
      const zeroAttention = this.network.zeroTokens ? joinZeroAttention(depth, T, length) : null;
      results.push({logits, shape: [1, length, V], slots: depth.slots, zeroAttention});
    }
    hidden.dispose();
    return results;
  }

  /**
   * Scores the ends of rows of any length. The LM head runs where a token is scored and nowhere else.
   * @param options - with `exitScores`, the zero attention of every slot is returned, at every threshold
   * @throws UsageError as `logits`
   */
  async score(
    rows: readonly ScoreRow[],
    options: ForwardOptions & {exitScores?: boolean} = {},
  ): Promise<RowScore[]> {
    for (const [i, {from, ids}] of rows.entries()) {
      if (!(Number.isInteger(from) && from >= 1 && from < ids.length)) {
        throw new UsageError(`row ${i}: tokens from ${from} of ${ids.length} cannot be scored.`);
      }
    }
    // The last token is predicted, not read.
    const inputs = rows.map(({ids}) => ids.slice(0, -1));
    const contexts = rows.map(({contextLength}) => contextLength);
    const {hidden, rows: depths} = await this.run(inputs, contexts, {
      ...this.forwardOptions(options),
      keepZeroAttention: options.exitScores ?? false,
    });
    const spans = rows.map(({ids, from}, row) => ({row, start: from - 1, end: ids.length - 1}));
    const targets = rows.flatMap(({ids, from}) => ids.slice(from));
    const {logProbs, greedy} = await this.scoreStates(rowStates(hidden, spans), targets);
    hidden.dispose();
    let done = 0;
    return rows.map(({ids, from}, row) => {
      const depth = depths[row]!;
      const count = ids.length - from;
      const span = [done, (done += count)] as const;
      const cost = {tokens: ids.length - 1, slots: depth.slots.length, exited: depth.exited, scored: count};
      return {
        logProbabilities: logProbs.slice(...span),
        greedy: greedy.slice(...span),
        slots: depth.slots.length,
        exited: depth.exited,
        exitScores: depth.exitScores,
        zeroAttention: depth.zeroAttention.map((z) => meanOf(z, this.config.arch.heads, contexts[row]!)),
        flops: rowFlops(this.config.arch, this.config.arrangement, cost),
      };
    });
  }

  /**
   * The mean next-token cross-entropy over all B (T - 1) positions, or over those that a mask lets count, in nats.
   * @throws UsageError as `logits`, for rows of fewer than two tokens, and for a mask of another shape
   */
  async loss(ids: readonly (readonly number[])[], lossMask?: LossMask): Promise<number> {
    await activate(this.engine);
    const loss = tf.tidy(() => nextTokenLoss(this.network, idsTensor(ids, 2, this.config.arch), lossMask));
    const [value] = await loss.data();
    loss.dispose();
    return value!;
  }

  /**
   * The gradient of `loss` by every parameter, in the parameter's own layout, by its name in our checkpoints
   * (a source checkpoint's are those of its `vanilla` conversion). A tied embedding has one, of both its uses.
   */
  async gradients(
    ids: readonly (readonly number[])[],
    lossMask?: LossMask,
  ): Promise<Map<string, Float32Array>> {
    await activate(this.engine);
    const input = idsTensor(ids, 2, this.config.arch);
    const {loss, gradients} = this.lossGradients(input, {lossMask});
    const result = new Map<string, Float32Array>();
    for (const [name, gradient] of gradients) result.set(name, (await gradient.data()) as Float32Array);
    tf.dispose([input, loss, ...gradients.values()]);
    return result;
  }

  /** The parameters as tfjs variables, by their names in our checkpoints: what a trainer updates. */
  parameters(): Map<string, tf.Variable> {
    return new Map(this.weights.entries());
  }

  /**
   * The loss and its gradient by every parameter as tensors, for a trainer, which disposes of them.
   * @param ids - [B, T] int32
   */
  lossGradients(ids: tf.Tensor2D, options?: GradientOptions): LossGradients {
    return lossGradients(this.network, ids, options);
  }

  /** The same weights in one cycle without zero tokens, whatever the layout. They are this model's to free. */
  plain(): Model {
    const {arrangement} = this.config;
    const layout = hasZeroTokens(arrangement.layout) ? 'htc' : arrangement.layout;
    const config = {...this.config, arrangement: {...arrangement, layout, cycles: 1}};
    return new Model(config, this.engine, this.weights);
  }

  /**
   * What the LM head multiplies at full depth, for a student of this model: its last states of ids [B, T] int32,
   * [B T, E], which the caller disposes of, and its weight [V, E].
   */
  head(ids: tf.Tensor2D): {state: tf.Tensor2D; weight: tf.Tensor} {
    return tf.tidy(() => ({...this.network.head(ids)}));
  }

  /** Frees the weights. The model cannot be used afterwards. */
  dispose(): void {
    this.weights.dispose();
  }

  private forwardOptions(options: ForwardOptions) {
    const {ztt} = this.config;
    const threshold = options.threshold ?? ztt?.threshold ?? 1;
    const exitFromCycle = options.exitFromCycle ?? ztt?.exit_from_cycle ?? 2;
    if (!(threshold > 0))
      throw new UsageError(`threshold is ${threshold}; it must be above 0, and 1 never exits.`);
    if (!(Number.isInteger(exitFromCycle) && exitFromCycle >= 1)) {
      throw new UsageError(`exitFromCycle is ${exitFromCycle}; it must be a whole number from 1.`);
    }
    return {threshold, exitFromCycle};
  }

  private async run(
    rows: readonly (readonly number[])[],
    context: number | readonly number[] | undefined,
    options: Omit<DepthOptions, 'contextLengths'>,
  ): Promise<DepthResult> {
    await activate(this.engine);
    const ids = idsTensor(rows, 1, this.config.arch);
    try {
      const contextLengths = contextsOf(
        rows.map((row) => row.length),
        context,
      );
      return await runSlots(this.network, ids, {...options, contextLengths});
    } finally {
      ids.dispose();
    }
  }

  /** Runs the LM head over states [N, D] in chunks, and disposes of both. */
  private async headOver(
    states: tf.Tensor2D,
    use: (logits: tf.Tensor2D, start: number, end: number) => Promise<void>,
  ): Promise<void> {
    const size = Math.max(1, Math.floor(MAX_LOGITS / this.config.arch.vocabulary));
    const N = states.shape[0];
    for (let start = 0; start < N; start += size) {
      const end = Math.min(start + size, N);
      const logits = tf.tidy(() => this.network.logits(tf.slice(states, [start, 0], [end - start, -1])));
      await use(logits, start, end);
      logits.dispose();
    }
    states.dispose();
  }

  private async scoreStates(states: tf.Tensor2D, targets: number[]) {
    const logProbs = new Float32Array(targets.length);
    const greedy: boolean[] = [];
    await this.headOver(states, async (logits, start, end) => {
      const wanted = targets.slice(start, end);
      const {scores, best} = tf.tidy(() => ({
        scores: logProbabilities(logits, tf.tensor1d(wanted, 'int32')),
        best: tf.argMax(logits, -1),
      }));
      logProbs.set(await scores.data(), start);
      for (const [i, id] of (await best.data()).entries()) greedy.push(id === wanted[i]);
      tf.dispose([scores, best]);
    });
    return {logProbs, greedy};
  }
}

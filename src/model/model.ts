import * as tf from '@tensorflow/tfjs-core';
import {activate, type Engine} from '../engine/index.js';
import {UsageError} from '../errors.js';
import type {ModelConfig} from './config.js';
import {CachedModel, type CachedOptions} from './inference/cached.js';
import {exitRule} from './exits/rule.js';
import type {
  BatchOptions,
  ExitsOptions,
  LogitsOptions,
  LogitsResult,
  RowScore,
  ScoreOptions,
  ScoreRow,
} from './forward.js';
import {
  lossGradients,
  nextTokenLoss,
  type GradientOptions,
  type LossGradients,
} from './training/gradients.js';
import {hasZeroTokens} from './layout.js';
import {logitsOf} from './lm-head.js';
import {byHead, stackLogits} from './inference/logits-result.js';
import {Network} from './network.js';
import {checkIds, contextsOf, idsTensor} from './inference/rows.js';
import {exitEvidence, type EvidenceOptions, type SlotEvidence} from './inference/evidence.js';
import {runPass} from './inference/run-pass.js';
import {scoreExits, scoreRows, strandsOf, type ExitScores, type ScoredRows} from './inference/score.js';
import type {LossMask} from './training/targets.js';
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
   * @param ids - [B, T]; where sequences exit, one row: rows exit alone, see `logitsBatch`
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
    const rule = exitRule(this.config, options);
    if (rule.checksAny && rule.granularity === 'sequence' && ids.length > 1) {
      throw new UsageError(
        `a threshold below 1 takes one row, not ${ids.length}; logitsBatch lets each exit alone.`,
      );
    }
    return stackLogits(await this.logitsBatch(ids, options), this.config.arch.heads);
  }

  /**
   * The logits of rows of any length, each as it would be by itself, to the bit on the native engine: each row, or
   * each token, exits alone, and what has exited leaves the products.
   * @throws UsageError as `logits`
   */
  async logitsBatch(
    rows: readonly (readonly number[])[],
    options: BatchOptions = {},
  ): Promise<LogitsResult[]> {
    await activate(this.engine);
    const rule = exitRule(this.config, options);
    checkIds(rows, 1, this.config.arch);
    const lengths = rows.map((row) => row.length);
    const contexts = contextsOf(lengths, options.contextLength);
    const strands = rows.map((ids, i) => ({ids, lead: i, shared: 0, contextLength: contexts[i]!}));
    const {hidden, depths} = await runPass(this.network, strands, {rule, keepZeroAttention: true});
    const {vocabulary: V, heads} = this.config.arch;
    const kept = this.network.zeroTokens === 1 && rule.granularity === 'sequence';
    const results: LogitsResult[] = [];
    let start = 0;
    for (const [i, length] of lengths.entries()) {
      const own = Array.from({length}, (_, t) => start + t);
      start += length;
      const {slots, slotsPerToken, zeroAttention} = depths[i]!;
      results.push({
        logits: await logitsOf(this.network, hidden, own),
        shape: [1, length, V],
        slots,
        slotsPerToken,
        zeroAttention: kept ? byHead(zeroAttention, heads, length) : null,
      });
    }
    hidden.dispose();
    return results;
  }

  /**
   * Scores the ends of rows of any length, each as it would be by itself. The LM head runs where a token is scored and
   * nowhere else, and what rows share (see `ScoreRow.shared`) is computed once.
   * @param options - with `exitScores`, the zero attention of every slot is returned, at every threshold
   * @throws UsageError as `logits`
   */
  async score(rows: readonly ScoreRow[], options: ScoreOptions = {}): Promise<RowScore[]> {
    return scoreRows(this.network, await this.ready(rows), options);
  }

  /**
   * Scores the ends of rows at every exit that a whole sequence could take, and at full depth: the middle runs once, and
   * the tail once an exit. Where a row exits at a threshold follows from the last one's `exitScores`, which has one for
   * each exit, in the same order: the first that exceeds it.
   * @throws UsageError as `score`
   */
  async scoreExits(rows: readonly ScoreRow[], options: ExitsOptions = {}): Promise<ExitScores[]> {
    return scoreExits(this.network, await this.ready(rows), options);
  }

  /**
   * What exits cost rows before some slots, and what zero attention has there to tell it by: what zero keys are fitted
   * on. Rows are scored from their second token on.
   * @param rows - token ids, each row at least two
   * @throws UsageError as `logits`
   */
  async exitEvidence(
    rows: readonly (readonly number[])[],
    options: EvidenceOptions,
  ): Promise<SlotEvidence[]> {
    return exitEvidence(
      this.network,
      await this.ready(rows.map((ids) => ({ids, from: 1, contextLength: ids.length - 1}))),
      options,
    );
  }

  /**
   * The model with a KV cache of its own, which the caller disposes of.
   * @throws UsageError for options that cannot be
   */
  cached(options: CachedOptions = {}): CachedModel {
    return new CachedModel(this.network, this.engine, options);
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

  /** Rows that are to be scored, checked and as strands. */
  private async ready(rows: readonly ScoreRow[]): Promise<ScoredRows> {
    await activate(this.engine);
    const strands = strandsOf(rows);
    checkIds(
      rows.map(({ids}) => ids.slice(0, -1)),
      1,
      this.config.arch,
    );
    return {rows, strands};
  }
}

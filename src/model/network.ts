import * as tf from '@tensorflow/tfjs-core';
import {
  add,
  causalMask,
  consecutiveRows,
  embedding,
  headCrossEntropy,
  headDistillation,
  linear,
  logProbabilities,
  reshape,
  type TeacherHead,
} from '../ops/index.js';
import {Blocks, norm, type BlockRun, type SequenceView} from './block.js';
import {isPlainAttention} from './architecture.js';
import {layerOf, type ModelConfig} from './config.js';
import {hasZeroTokens, slots, type Slot} from './layout.js';
import {loraScale} from './lora-config.js';
import {headWeightName} from './parameters.js';
import {stretchSlots, type PassOptions, type Stretch} from './training/stretches.js';
import {ZERO_KEYS} from './tensors.js';
import type {Weights} from './weights.js';
import {rowsAtATime} from './max-logits.js';

/** A slot, ready to run. */
export type NetworkSlot = Slot & BlockRun;

/** The network over its weights: embedding, slots, LM head. Tensors in, tensors out; no state, no exits. */
export class Network {
  readonly blocks: Blocks;
  readonly zeroTokens: 0 | 1;
  private readonly order: Slot[];

  constructor(
    readonly config: ModelConfig,
    readonly weights: Weights,
  ) {
    const {lora} = config.arrangement;
    this.blocks = new Blocks(config.arch, weights, lora ? loraScale(lora) : 0);
    this.order = slots(config.arrangement);
    this.zeroTokens = hasZeroTokens(config.arrangement.layout) ? 1 : 0;
  }

  /** Each slot's zero key [H, d], in order; none without zero tokens. Their gradient reaches the pool. */
  zeroKeys(): tf.Tensor[] {
    return this.zeroTokens ? splitRows(this.weights.get(ZERO_KEYS)) : [];
  }

  /** The executed layers, in order, each with its zero key. */
  slots(zeroKeys = this.zeroKeys()): NetworkSlot[] {
    return this.order.map((slot, index) => ({
      ...slot,
      layer: layerOf(this.config, slot),
      zeroKey: zeroKeys[index],
    }));
  }

  /** The cycles before which tokens may exit where so many run, in order. */
  exitCycles(cycles = this.config.arrangement.cycles): number[] {
    const from = this.config.ztt?.exit_from_cycle ?? 2;
    return Array.from({length: cycles}, (_, i) => i + 1).filter((cycle) => cycle >= from);
  }

  /** ids [B, T] to [B, T, D]. */
  embed(ids: tf.Tensor2D): tf.Tensor3D {
    const {
      embedding: {tokens},
      positions,
    } = this.config.arch;
    const x = this.projectIn(embedding(this.weights.get(`${tokens}.weight`), ids));
    switch (positions.kind) {
      case 'learned': {
        const table = this.weights.get(`${positions.table}.weight`);
        return add(x, consecutiveRows(table, positions.offset, ids.shape[1]));
      }
      case 'rotary':
        return x;
    }
  }

  /** The embeddings [N, D] of tokens [N], each at its own place. Not for training. */
  embedRows(ids: Int32Array, places: Int32Array): tf.Tensor2D {
    const {
      embedding: {tokens},
      positions,
    } = this.config.arch;
    const rows = tf.gather(this.weights.get(`${tokens}.weight`), tf.tensor1d(ids, 'int32'));
    const x = this.projectIn(rows as tf.Tensor2D);
    switch (positions.kind) {
      case 'learned': {
        const indices = places.map((place) => place + positions.offset);
        const table = this.weights.get(`${positions.table}.weight`);
        return tf.add(x, tf.gather(table, tf.tensor1d(indices, 'int32')));
      }
      case 'rotary':
        return x;
    }
  }

  /** What these slots share in a pass over sequences of so many places. */
  private viewOf(group: readonly Slot[], places: Int32Array): SequenceView {
    const T = places.length;
    const others = group
      .map((slot) => layerOf(this.config, slot).attention)
      .filter((attention) => !isPlainAttention(this.config.arch, attention));
    const windows = new Set(others.map(({window}) => window));
    return {
      mask: others.length === group.length ? null : causalMask(T, this.zeroTokens),
      windows: new Map([...windows].map((window) => [window, causalMask(T, 0, window)])),
      places,
    };
  }

  /** The stretches of a forward pass in training, in order: the embedding, the head, each cycle, the tail. */
  stretches(ids: tf.Tensor2D, {hookFor, cycles, depths}: PassOptions = {}): Stretch[] {
    const embedding: Stretch = {
      part: null,
      cycle: 1,
      run: () => {
        const hook = hookFor?.(0);
        return hook ? hook(this.embed(ids)) : this.embed(ids);
      },
    };
    const places = Int32Array.from({length: ids.shape[1]}, (_, i) => i);
    const groups = stretchSlots(this.order, cycles).map((group, i): Stretch => {
      const {part, cycle} = group[0]!;
      return {
        part,
        cycle,
        run: (x, observe) => {
          const hook = hookFor?.(i + 1);
          const view = this.viewOf(group, places);
          const slots = this.slots();
          return group.reduce((before, {index, place}) => {
            const chooses = part === 'middle' && place === 0 && (depths?.chooses(cycle) ?? false);
            if (chooses && this.zeroTokens === 0) depths!.choose(cycle, null);
            const pass = (zero: () => tf.Tensor3D) => {
              if (chooses) depths!.choose(cycle, zero);
              observe?.({index, before, zero});
            };
            const observed = this.zeroTokens === 1 && (observe || chooses) ? pass : undefined;
            const after = this.blocks.run(before, slots[index]!, view, hook, observed);
            return part === 'middle' && depths ? depths.after(cycle, before, after) : after;
          }, x!);
        },
      };
    });
    return [embedding, ...groups];
  }

  /** The LM head: hidden states [N, D] to logits [N, V]. */
  logits(x: tf.Tensor2D): tf.Tensor2D {
    return linear(this.headInput(x), this.headWeight(), null, 'oi');
  }

  /** The weighted mean cross-entropy of the LM head over hidden states [N, D]; see `crossEntropy`. */
  loss(x: tf.Tensor2D, targets: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
    return headCrossEntropy(this.headInput(x), this.headWeight(), targets, weights);
  }

  /** The same, mixed with the divergence from a teacher; see `headDistillation`. */
  distillationLoss(
    x: tf.Tensor2D,
    targets: tf.Tensor1D,
    weights: tf.Tensor1D,
    teacher: TeacherHead,
  ): tf.Scalar {
    return headDistillation(this.headInput(x), this.headWeight(), targets, weights, teacher);
  }

  /** What the LM head multiplies at full depth: the last states of ids [B, T], [B T, E], and its weight [V, E]. */
  head(ids: tf.Tensor2D): Pick<TeacherHead, 'state' | 'weight'> {
    let x: tf.Tensor3D | null = null;
    for (const stretch of this.stretches(ids)) x = stretch.run(x);
    const [B, T, D] = x!.shape;
    return {state: this.headInput(reshape(x!, [B * T, D])), weight: this.headWeight()};
  }

  /**
   * The cross-entropy of each target from hidden states [N, D], in nats, [N], with the logits of some rows at a
   * time. It has no gradient.
   */
  tokenLosses(x: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
    const N = x.shape[0];
    const size = rowsAtATime(this.config.arch.vocabulary);
    const losses = (start: number) => {
      const rows = Math.min(size, N - start);
      const logits = this.logits(tf.slice(x, [start, 0], [rows, -1]));
      return tf.neg(logProbabilities(logits, tf.slice(targets, [start], [rows])));
    };
    return tf.tidy(() =>
      tf.concat(Array.from({length: Math.ceil(N / size)}, (_, i) => tf.tidy(() => losses(i * size)))),
    );
  }

  private headInput(x: tf.Tensor2D): tf.Tensor2D {
    const {lmHead, norm: how} = this.config.arch;
    const normed = lmHead.norm === null ? x : norm(x, this.weights, lmHead.norm, how);
    return lmHead.projection === null ? normed : this.project(normed, lmHead.projection);
  }

  /** [V, E] */
  private headWeight(): tf.Variable {
    return this.weights.get(headWeightName(this.config.arch));
  }

  private projectIn<T extends tf.Tensor>(x: T): T {
    const {projection} = this.config.arch.embedding;
    return projection === null ? x : this.project(x, projection);
  }

  private project<T extends tf.Tensor>(x: T, name: string): T {
    return linear(x, this.weights.get(`${name}.weight`), null, 'oi');
  }
}

/** x [S, H, d] as S tensors [H, d]. */
function splitRows(x: tf.Tensor): tf.Tensor[] {
  const [S, H, d] = x.shape as [number, number, number];
  return tf.split(x, S, 0).map((row) => reshape(row, [H, d]));
}

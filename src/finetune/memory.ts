import {freemem} from 'node:os';
import {LM_HEAD, modelTensors, type Architecture, type Arrangement} from '../model/index.js';
import {elementCount} from '../checkpoint/index.js';

/** Bytes of a float32. */
export const FLOAT = 4;

/** The memory of a training step, in bytes. */
export interface StepMemory {
  /** All parameters, in float32. */
  weights: number;
  /** Of the trained parameters; AdamW keeps two moments of each. */
  gradients: number;
  moments: number;
  /** What the forward pass leaves for the backward pass of a micro-batch, and what that works in. */
  activations: number;
  total: number;
}

export interface MemoryOptions {
  arch: Architecture;
  arrangement: Arrangement;
  /** Whether a parameter is trained. */
  trained: (name: string) => boolean;
  /** Sequences a micro-batch. */
  batchSize: number;
  /** Tokens a sequence. */
  seqLen: number;
  checkpointCycles: boolean;
  /** Whether the loss after an exit at the end of each cycle but the last is trained. */
  exitLosses: boolean;
}

/**
 * The memory that a step takes on the native engine. With N tokens a micro-batch, a slot leaves N (10 D + 2 F) floats:
 * the hidden state before it and between its branches, both norms' outputs, q, k and v, the mixed values, both
 * branches' outputs, and the feed-forward layer before and after its activation. The backward pass works in another
 * N (8 D + 2 F). `checkpointCycles` leaves the hidden states between stretches, and one stretch's activations. The
 * loss at an exit leaves another tail's, and its own gradient by the LM head's weight. Engines without a kernel for
 * attention also keep its weights, [B, H, T, T] a slot. Measured against real steps in test/finetune/memory.test.ts.
 */
export function stepMemory(options: MemoryOptions): StepMemory {
  const {arch, arrangement, trained, batchSize, seqLen, checkpointCycles, exitLosses} = options;
  const {width: D, feedForward: F} = arch;
  const {head, tail, cycles, middleSources} = arrangement;
  const specs = modelTensors(arch, arrangement);
  const bytesOf = (list: typeof specs) => list.reduce((n, {shape}) => n + elementCount(shape) * FLOAT, 0);
  const gradients = bytesOf(specs.filter(({name}) => trained(name)));
  const exits = exitLosses ? cycles - 1 : 0;
  const slots = head + cycles * middleSources.length + tail * (1 + exits);
  const longest = Math.max(head, middleSources.length, tail);
  // The embedding, the head and the tail are stretches as well.
  const kept = checkpointCycles ? longest * (10 * D + 2 * F) + (cycles + 3) * D : slots * (10 * D + 2 * F);
  const headWeight = arch.tied ? `${arch.outer.tokens}.weight` : LM_HEAD;
  const heads = trained(headWeight) && !checkpointCycles ? exits * arch.vocabulary * arch.embeddingWidth : 0;
  const activations = (batchSize * seqLen * (kept + 8 * D + 2 * F) + heads) * FLOAT;
  const weights = bytesOf(specs);
  return {
    weights,
    gradients,
    moments: 2 * gradients,
    activations,
    total: weights + 3 * gradients + activations,
  };
}

/** The bytes that this process may still take: what the system has free, and the cgroup's limit leaves. */
export function availableMemory(): number {
  const {availableMemory: ask} = process as {availableMemory?: () => number};
  // Node 20.12 does not tell what a cgroup has left, only its limit.
  if (ask) return ask.call(process);
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(freemem(), Math.max(0, limit - process.memoryUsage().rss)) : freemem();
}

import {
  LM_HEAD,
  MAX_LOGITS,
  modelTensors,
  type Architecture,
  type Arrangement,
  type ModelConfig,
  type TensorSpec,
} from '../../model/index.js';
import {distilledLogits} from '../../ops/index.js';
import {elementCount} from '../../checkpoint/index.js';

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
  /** The weights of a teacher; 0 without one. */
  teacher: number;
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
  /** Whether an objective looks at what exits cost. */
  exitObjective: boolean;
  /** The model that distillation draws to. */
  teacher?: Pick<ModelConfig, 'arch' | 'arrangement'>;
}

/** Tensors of a chunk's logits that are there at a time where losses are only compared, and in distillation. */
const COMPARED_LOGITS = 3;
const DISTILLED_LOGITS = 10;

/**
 * The memory that a step takes on the native engine. With N tokens a micro-batch, a slot leaves N (8 D + F) floats:
 * the hidden state before it and between its branches, both norms' outputs, q, k and v, the mixed values, and the
 * feed-forward layer before its activation; another N F, what the activation gives, where that is an input of a trained
 * map, and another 2 N D with LoRA. The backward pass works in N (8 D + 2 F). `checkpointCycles` leaves the hidden
 * states between stretches, and one stretch's activations. The loss at an exit leaves another tail's, and its own
 * gradient by the LM head's weight. What exits cost is computed from the logits of some rows at a time, and so is
 * distillation. Engines without a kernel for attention also keep its weights, [B, H, T, T] a slot. Measured against
 * real steps in test/finetune/plan/step-memory.test.ts.
 */
export function stepMemory(options: MemoryOptions): StepMemory {
  const {arch, arrangement, trained, checkpointCycles, exitLosses, exitObjective, teacher} = options;
  const {width: D, feedForward: F, vocabulary: V} = arch;
  const {head, tail, cycles, middleSources} = arrangement;
  const N = options.batchSize * options.seqLen;
  const specs = modelTensors(arch, arrangement);
  const gradients = bytesOf(specs.filter(({name}) => trained(name)));
  const exits = exitLosses ? cycles - 1 : 0;
  const slots = head + cycles * middleSources.length + tail * (1 + exits);
  const longest = Math.max(head, middleSources.length, tail);
  const {lora} = arrangement;
  const ofSlot = (lora ? 10 : 8) * D + (trainsFeedForward(arch, specs, trained) ? 2 : 1) * F;
  // The embedding, the head and the tail are stretches as well.
  const kept = checkpointCycles ? longest * ofSlot + (cycles + 3) * D : slots * ofSlot;
  const headWeight = arch.tied ? `${arch.outer.tokens}.weight` : LM_HEAD;
  const heads = trained(headWeight) && !checkpointCycles ? exits * V * arch.embeddingWidth : 0;
  const compared = exitObjective ? COMPARED_LOGITS * Math.min(N * V, MAX_LOGITS) : 0;
  const distilled = teacher ? DISTILLED_LOGITS * distilledLogits(N, V) : 0;
  const activations = (N * (kept + 8 * D + 2 * F) + heads + Math.max(compared, distilled)) * FLOAT;
  const weights = bytesOf(specs);
  const ofTeacher = teacher ? bytesOf(modelTensors(teacher.arch, teacher.arrangement)) : 0;
  return {
    weights,
    gradients,
    moments: 2 * gradients,
    activations,
    teacher: ofTeacher,
    total: weights + 3 * gradients + activations + ofTeacher,
  };
}

/** Whether a linear map of the feed-forward layers is trained, itself or by LoRA. */
function trainsFeedForward(
  {block}: Architecture,
  specs: readonly TensorSpec[],
  trained: (name: string) => boolean,
): boolean {
  const ofMap = (name: string) => [block.up, block.down].some((module) => name.includes(`.${module}.`));
  return specs.some(({name, shape}) => shape.length === 2 && ofMap(name) && trained(name));
}

const bytesOf = (specs: readonly TensorSpec[]): number =>
  specs.reduce((bytes, {shape}) => bytes + elementCount(shape) * FLOAT, 0);

import {
  blockLinears,
  blocks,
  headWeightName,
  MAX_LOGITS,
  modelTensors,
  qkvWidths,
  type Architecture,
  type Arrangement,
  type Layer,
  type ModelConfig,
  type Part,
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
 * The memory that a step takes on the native engine. Each token of a micro-batch leaves the floats of `layerFloats` a
 * slot. `checkpointCycles` leaves the hidden states between stretches, and one stretch's activations. The loss at an exit
 * leaves another tail's, and its own gradient by the LM head's weight. What exits cost is computed from the logits of
 * some rows at a time, and so is distillation. Engines without a kernel for attention also keep its weights,
 * [B, H, T, T] a slot. Measured against real steps in test/finetune/plan/step-memory.test.ts.
 */
export function stepMemory(options: MemoryOptions): StepMemory {
  const {arch, arrangement, trained, checkpointCycles, exitLosses, exitObjective, teacher} = options;
  const {width: D, vocabulary: V} = arch;
  const {cycles} = arrangement;
  const N = options.batchSize * options.seqLen;
  const specs = modelTensors(arch, arrangement);
  const gradients = bytesOf(specs.filter(({name}) => trained(name)));
  const exits = exitLosses ? cycles - 1 : 0;
  const {kept, worked} = slotFloats(options, specs);
  const [head, middle, tail] = (['head', 'middle', 'tail'] as const).map((part) => kept(part));
  // The embedding, the head and the tail are stretches as well.
  const perToken = checkpointCycles
    ? Math.max(head!, middle!, tail!) + (cycles + 3) * D
    : head! + cycles * middle! + tail! * (1 + exits);
  const heads = trained(headWeightName(arch)) && !checkpointCycles ? exits * V * arch.embedding.width : 0;
  const compared = exitObjective ? COMPARED_LOGITS * Math.min(N * V, MAX_LOGITS) : 0;
  const distilled = teacher ? DISTILLED_LOGITS * distilledLogits(N, V) : 0;
  const activations = (N * (perToken + worked) + heads + Math.max(compared, distilled)) * FLOAT;
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

/**
 * Floats a token: those that the layers of a part leave for the backward pass, each once, and those that the backward
 * pass of the largest layer works in.
 */
function slotFloats(
  {arch, arrangement, trained}: MemoryOptions,
  specs: readonly TensorSpec[],
): {kept: (part: Part) => number; worked: number} {
  const linears = blockLinears(arch).filter(({of}) => of === 'mlp');
  const ofMlp = (name: string) => linears.some((linear) => name.includes(`.${linear.name}.`));
  const trainsMlp = specs.some(({name, shape}) => shape.length === 2 && ofMlp(name) && trained(name));
  const stored = blocks(arrangement).map(({part, sources}) => {
    const {hidden, mlp, activated} = layerFloats(arch, arch.layers[sources[0]!]!);
    const lora = arrangement.lora ? 2 * arch.width : 0;
    return {
      part,
      kept: hidden + lora + mlp + (trainsMlp ? activated : 0),
      worked: hidden + mlp + activated,
    };
  });
  return {
    kept: (part) => stored.filter((block) => block.part === part).reduce((sum, {kept}) => sum + kept, 0),
    worked: stored.reduce((most, {worked}) => Math.max(most, worked), 0),
  };
}

/**
 * What a layer computes of a token, in floats: `hidden` is the state before it and between its branches, the outputs of
 * norms, q, k and v, and the mixed values; `mlp` is the feed-forward network before its activation, and `activated` what
 * the activation gives, which is needed where it is an input of a trained map.
 */
function layerFloats(arch: Architecture, {attention, norms, mlp}: Layer) {
  const {q, k, v} = qkvWidths(arch);
  const normed = Object.values(norms).filter((name) => name !== null).length;
  const turned = (attention.rotation ? 1 : 0) + (attention.qkNorm ? 1 : 0);
  const hidden = (2 + normed) * arch.width + q + k + v + q + turned * (q + k);
  switch (mlp.kind) {
    case 'plain':
      return {hidden, mlp: mlp.width, activated: mlp.width};
    case 'gated':
      // The gate before its activation, and what it is multiplied by.
      return {hidden, mlp: 2 * mlp.width, activated: mlp.width};
  }
}

const bytesOf = (specs: readonly TensorSpec[]): number =>
  specs.reduce((bytes, {shape}) => bytes + elementCount(shape) * FLOAT, 0);

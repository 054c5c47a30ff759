/**
 * Tensor operations with their gradients, composed of tfjs kernels: they run on every engine. Where an engine has a
 * kernel for one, that runs instead (`fused.ts`).
 */
export {addGradients} from './accumulate.js';
export {activation, type ActivationName} from './activation.js';
export {attentionWeights, causalMask, weightedValues} from './attention.js';
export {
  causalAttention,
  separateHeads,
  zeroLogitsOf,
  zeroAttentionByKey,
  zeroAttentionOfKey,
  type AttentionOptions,
  type Projections,
} from './causal-attention.js';
export {withoutGradient} from './custom.js';
export {headCrossEntropy, logProbabilities} from './cross-entropy.js';
export {distilledLogits, headDistillation, type TeacherHead} from './distillation.js';
export {dropout} from './dropout.js';
export {consecutiveRows, embedding} from './embedding.js';
export {hasKernel, runKernel} from './fused.js';
export {gated} from './gated.js';
export {
  groupedAttention,
  groupedValues,
  groupedWeights,
  groupedZeroAttention,
  type Separate,
} from './grouped-attention.js';
export {layerNorm} from './layer-norm.js';
export {linear, linearPart, type Orientation, type OutputRange} from './linear.js';
export {addLowRank, type LowRank} from './low-rank.js';
export {rmsNorm} from './rms-norm.js';
export {rotate, type RotationTable} from './rotate.js';
export {RowPool} from './row-pool.js';
export {strandAttention, strandValues, strandWeights} from './strand-attention.js';
export type {Columns, KeyRange, KeyView, Strand, StrandScores, StrandWeights} from './strands.js';
export {add, mergeHeads, reshape, splitHeads, withGradient} from './structure.js';
export {tokenScores} from './token-scores.js';
export {rowZeroLogits, zeroLogits} from './zero-logits.js';
export type {ZeroToken} from './zero-token.js';
export {zeroCrossEntropy} from './zero-cross-entropy.js';
export {selectTokens} from './select-tokens.js';

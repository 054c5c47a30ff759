/** Tensor operations with their gradients, composed of tfjs kernels: they run on every engine. */
export {activation, type ActivationName} from './activation.js';
export {attentionWeights, causalMask, weightedValues, zeroAttention} from './attention.js';
export {crossEntropy, logProbabilities} from './cross-entropy.js';
export {dropout} from './dropout.js';
export {consecutiveRows, embedding} from './embedding.js';
export {layerNorm} from './layer-norm.js';
export {linear, type Orientation} from './linear.js';
export {mergeHeads, splitHeads, takeRows} from './structure.js';

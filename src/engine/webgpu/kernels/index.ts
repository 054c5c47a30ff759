import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {KernelsOf, KernelTable} from '../../contract.js';
import {registerKernels} from '../../register.js';
import {ACTIVATIONS} from './activation.js';
import {ATTENTION} from './attention.js';
import {ATTENTION_GRADIENT} from './attention-gradient.js';
import {COLUMN_SUMS} from './column-sums.js';
import {HEAD_LOSS} from './head-loss.js';
import {LAYER_NORM} from './layer-norm.js';
import {LINEAR} from './linear.js';
import {OPTIMIZER} from './optimizer.js';
import {makeProductsDeterministic} from './products.js';
import type {Info} from './program.js';
import {ROWS} from './rows.js';
import {makeScatterDeterministic} from './scatter.js';
import {STRANDS} from './strands.js';
import {TOKEN_SCORES} from './token-scores.js';
import {ZERO_LOGITS} from './zero-logits.js';

/** Registers the kernels of the contract under a tfjs backend's name. */
export function registerFusedKernels(backendName: string): void {
  makeProductsDeterministic(backendName);
  makeScatterDeterministic(backendName);
  const kernels: KernelTable<KernelsOf<'webgpu'>, Info, WebGPUBackend> = {
    ...ACTIVATIONS,
    ...ATTENTION,
    ...ATTENTION_GRADIENT,
    ...COLUMN_SUMS,
    ...HEAD_LOSS,
    ...LAYER_NORM,
    ...LINEAR,
    ...OPTIMIZER,
    ...ROWS,
    ...STRANDS,
    ...TOKEN_SCORES,
    ...ZERO_LOGITS,
  };
  registerKernels(backendName, kernels);
}

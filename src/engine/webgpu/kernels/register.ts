import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {Kernel as ContractKernel, KernelName, KernelTable} from '../../contract.js';
import type {Info} from './program.js';

/** A kernel of the contract. */
export type Kernel<N extends KernelName> = ContractKernel<N, Info, WebGPUBackend>;

/** Some kernels of the contract. */
export type Kernels = Partial<KernelTable<KernelName, Info, WebGPUBackend>>;

/** The webgpu engine: tfjs's WebGPU backend over Dawn, on Vulkan, Metal or D3D12. */
export {startWebGpu, type WebGpuStart} from './start.js';

/** The webgpu engine: tfjs's WebGPU backend over Dawn, on Vulkan, Metal or D3D12. */
export type {PlannedTensor} from './room.js';
export {requireRoomOnGpu, startWebGpu, type WebGpuStart} from './start.js';

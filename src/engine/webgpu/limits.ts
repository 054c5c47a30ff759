import type {Adapter} from './dawn.js';

/** What of a device's limits kernels look at. WebGPU gives a device the least of each unless asked for more. */
const WANTED = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxUniformBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** All that the adapter has, to ask a device for. */
export const fullLimits = ({limits}: Adapter): Record<string, number> =>
  Object.fromEntries(WANTED.map((name) => [name, limits[name]]));

import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {env, util, type DataType, type TensorInfo} from '@tensorflow/tfjs-core';
import {EngineError} from '../../../errors.js';

// A kernel's shaders and how they run. tfjs's own programs write one tensor and never one that they read; fused kernels
// have several outputs and update in place, so that they bring their own pipelines, recorded into tfjs's pass.

export type Info = TensorInfo;

/** What a shader's text depends on: another value is another pipeline. */
export type Constants = Record<string, number | boolean | string>;

/**
 * A shader: WGSL over the buffers by their names and the numbers as `u.NAME`, with a function
 * `main(group: u32, thread: u32)` that a workgroup's threads call. It must use every buffer.
 */
export interface Shader<C extends Constants = Constants> {
  name: string;
  /** Threads of a workgroup, in a row. */
  threads: number;
  code: (constants: C) => string;
}

/** A tensor's elements as a shader sees them. */
export type Element = 'f32' | 'vec4f' | 'i32';

/** A tensor, or a part of one, for a shader. */
export interface Bound {
  info: Info;
  element: Element;
  writes: boolean;
  /** First float or integer, and how many; all unless given. */
  range?: Range;
}

export interface Range {
  from: number;
  count: number;
}

/** A tensor that a shader reads. */
export const reads = (info: Info, element: Element = 'f32', range?: Range): Bound => ({
  info,
  element,
  writes: false,
  range,
});

/** A tensor that a shader writes, or updates in place. */
export const writes = (info: Info, element: Element = 'f32', range?: Range): Bound => ({
  info,
  element,
  writes: true,
  range,
});

export interface Run<C extends Constants> {
  constants: C;
  buffers: Record<string, Bound>;
  /** Whole numbers, u32 in the shader. */
  whole?: Record<string, number>;
  /** f32 in the shader. */
  real?: Record<string, number>;
  /** Workgroups; any number. */
  groups: number;
}

/** What of tfjs's backend its types keep private: the pass that commands are recorded into. */
interface Recorder {
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  /** Tensors that recorded commands need: not to be freed before these are submitted. */
  commandQueueOwnedIds: WeakSet<object>;
  uniformPendingDisposal: GPUBuffer[];
}

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/**
 * Records one run of a shader.
 * @throws EngineError where a tensor is larger than what the device binds at once
 */
export function run<C extends Constants>(backend: WebGPUBackend, shader: Shader<C>, call: Run<C>): void {
  const {groups} = call;
  if (groups === 0) return;
  const bound = Object.values(call.buffers);
  for (const {info} of bound) backend.uploadToGPU(info.dataId);
  const resources = bound.map((each) => resourceOf(backend, shader.name, each));
  const pipeline = pipelineOf(backend.device, shader, call);
  const recorder = backend as unknown as Recorder;
  const uniforms = uniformsOf(backend, call);
  recorder.uniformPendingDisposal.push(uniforms);
  const bindGroup = backend.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...resources, {buffer: uniforms}].map((resource, binding) => ({binding, resource})),
  });
  backend.ensureCommandEncoderReady();
  const pass = (recorder.computePassEncoder ??= recorder.commandEncoder!.beginComputePass());
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  const across = Math.min(groups, backend.device.limits.maxComputeWorkgroupsPerDimension);
  pass.dispatchWorkgroups(across, Math.ceil(groups / across));
  for (const {info} of bound) recorder.commandQueueOwnedIds.add(info.dataId);
  if (env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE') <= ++recorder.dispatchCountInPass) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
}

/** A tensor to be written; what is in it is left over. */
export function output(backend: WebGPUBackend, shape: number[], dtype: DataType = 'float32'): Info {
  const nothing = util.sizeFromShape(shape) === 0;
  return backend.makeTensorInfo(
    shape,
    dtype,
    nothing ? util.getTypedArrayFromDType(dtype as 'float32', 0) : undefined,
  );
}

/** Runs with a tensor to work in, which is let go of afterwards. */
export function withScratch<T>(backend: WebGPUBackend, shape: number[], work: (scratch: Info) => T): T {
  const scratch = output(backend, shape);
  try {
    return work(scratch);
  } finally {
    backend.disposeData(scratch.dataId);
  }
}

/** Elements of a tensor. */
export const sizeOf = ({shape}: Info): number => util.sizeFromShape(shape);

/** Parts of so many floats that can each be bound: one where all can. */
export function ranges(backend: WebGPUBackend, size: number): Range[] {
  const most = Math.floor(backend.device.limits.maxStorageBufferBindingSize / 256) * 64;
  return Array.from({length: Math.ceil(size / most)}, (_, i) => ({
    from: i * most,
    count: Math.min(most, size - i * most),
  }));
}

function resourceOf(backend: WebGPUBackend, shader: string, {info, range}: Bound): GPUBufferBinding {
  const buffer = backend.tensorMap.get(info.dataId).resource as GPUBuffer;
  const {from = 0, count = sizeOf(info)} = range ?? {};
  const limit = backend.device.limits.maxStorageBufferBindingSize;
  if (4 * count > limit) {
    throw new EngineError(
      `engine webgpu: ${shader} needs [${info.shape.join()}] at once, ${4 * count} bytes, and this GPU binds ${limit}; take a smaller --batch-size or --seq-len, or --engine native.`,
    );
  }
  return {buffer, offset: 4 * from, size: 4 * count};
}

/** The numbers as bytes, whole ones first: a uniform buffer of tfjs's, which takes it back once they are used. */
function uniformsOf(backend: WebGPUBackend, {groups, whole = {}, real = {}}: Run<Constants>): GPUBuffer {
  const wholes = [groups, ...Object.values(whole)];
  const reals = Object.values(real);
  const bytes = new ArrayBuffer(16 * Math.ceil((wholes.length + reals.length) / 4));
  new Uint32Array(bytes).set(wholes);
  new Float32Array(bytes, 4 * wholes.length).set(reals);
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM;
  const buffer = backend.bufferManager.acquireBuffer(bytes.byteLength, usage);
  backend.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

function pipelineOf<C extends Constants>(
  device: GPUDevice,
  shader: Shader<C>,
  call: Run<C>,
): GPUComputePipeline {
  const buffers = Object.entries(call.buffers).map(([name, {element, writes}]) => [name, element, writes]);
  const numbers = [call.whole, call.real].map((names) => Object.keys(names ?? {}));
  const key = JSON.stringify([shader.name, call.constants, buffers, numbers]);
  const known = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, known);
  let pipeline = known.get(key);
  if (!pipeline) {
    const label = `ztt ${shader.name}`;
    const module = device.createShaderModule({label, code: textOf(shader, call)});
    pipeline = device.createComputePipeline({label, layout: 'auto', compute: {module, entryPoint: 'start'}});
    known.set(key, pipeline);
  }
  return pipeline;
}

function textOf<C extends Constants>({threads, code}: Shader<C>, call: Run<C>): string {
  const {constants, buffers, whole = {}, real = {}} = call;
  const declared = Object.entries(buffers).map(
    ([name, {element, writes}], i) =>
      `@group(0) @binding(${i}) var<storage, ${writes ? 'read_write' : 'read'}> ${name}: array<${element}>;`,
  );
  const fields = ['groups', ...Object.keys(whole)].map((name) => `${name}: u32,`);
  fields.push(...Object.keys(real).map((name) => `${name}: f32,`));
  return `
struct Numbers {${fields.join(' ')}}
${declared.join('\n')}
@group(0) @binding(${declared.length}) var<uniform> u: Numbers;
${code(constants)}
@compute @workgroup_size(${threads})
fn start(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let group = id.y * count.x + id.x;
  if (group < u.groups) {
    main(group, thread);
  }
}
`;
}

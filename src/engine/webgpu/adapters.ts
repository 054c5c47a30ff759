import {EngineError, UsageError} from '../../errors.js';
import type {Adapter, Dawn, Instance} from './dawn.js';
import {vulkanTrouble} from './vulkan.js';

/** An adapter that was taken. */
export interface ChosenAdapter {
  adapter: Adapter;
  /** Its name and driver. */
  description: string;
  /** It computes on the processor, and is for tests. */
  software: boolean;
}

/** The graphics API under WebGPU, which Dawn has one of on each system that matters. */
const API: Partial<Record<NodeJS.Platform, string>> = {darwin: 'metal', win32: 'd3d12'};
const api = (): string => API[process.platform] ?? 'vulkan';

/** GPUs that are programs, as their drivers call themselves. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i;

/** A name that no adapter has. */
const NOBODY = 'no adapter has this name';

/**
 * Takes an adapter: the one that was asked for, or the first real GPU in Dawn's order (the fast one of a machine that
 * has two), or else a software adapter.
 * @param wanted - the adapter's place in the list, from 0, or a part of its name
 * @throws EngineError where there is none, UsageError for one that is not there, with those that are
 */
export async function chooseAdapter(dawn: Dawn, wanted?: string): Promise<ChosenAdapter> {
  const trouble = api() === 'vulkan' ? vulkanTrouble() : null;
  if (trouble) throw new EngineError(`engine webgpu cannot run: ${trouble}`);
  const names = await adapterNames(dawn);
  if (names.length === 0) throw new EngineError(`engine webgpu cannot run: ${api()} has no GPU here.`);
  if (wanted !== undefined) return open(dawn, pick(names, wanted));
  const found: ChosenAdapter[] = [];
  for (const name of names) {
    const chosen = await open(dawn, name);
    if (!chosen.software) return chosen;
    found.push(chosen);
  }
  return found[0]!;
}

/** The names of this machine's adapters. Dawn lists them in the error for one that is not there, and nowhere else. */
async function adapterNames(dawn: Dawn): Promise<string[]> {
  const message = await request(instanceFor(dawn, NOBODY)).then(
    () => '',
    (error: Error) => error.message,
  );
  const lines = message.matchAll(/backend: '([^']*)', name: '(.*)'$/gm);
  const names = [...lines].filter(([, backend]) => backend === api()).map(([, , name]) => name!);
  return [...new Set(names)];
}

/** The name at a place in the list, or the one that has a part in it. */
function pick(names: readonly string[], wanted: string): string {
  if (/^\d+$/.test(wanted) && names[Number(wanted)] !== undefined) return names[Number(wanted)]!;
  const part = wanted.toLowerCase();
  const exact = names.filter((name) => name.toLowerCase() === part);
  const matching = exact.length > 0 ? exact : names.filter((name) => name.toLowerCase().includes(part));
  if (matching.length === 1) return matching[0]!;
  const list = names.map((name, place) => `${place} ${name}`).join(', ');
  throw new UsageError(
    `${matching.length === 0 ? 'no' : 'more than one'} GPU is called ${JSON.stringify(wanted)}; there are: ${list}.`,
  );
}

async function open(dawn: Dawn, name: string): Promise<ChosenAdapter> {
  const adapter = await request(instanceFor(dawn, name));
  if (!adapter) throw new EngineError(`engine webgpu cannot run: ${name} does not start.`);
  const {info} = adapter;
  const software =
    info.isFallbackAdapter || SOFTWARE.test(`${name} ${info.architecture} ${info.description}`);
  const driver = info.description ? `, ${info.description}` : '';
  const kind = software ? ', software' : '';
  return {adapter, software, description: `${name}, ${api()}${driver}${kind}`};
}

/**
 * All that were made, by the name that they look for. Dawn goes on with an instance's events for a moment after nobody
 * holds it, and hangs where it was collected by then: none is ever let go of.
 */
const instances = new Map<string, Instance>();

function instanceFor(dawn: Dawn, name: string): Instance {
  const instance = instances.get(name) ?? dawn.create([`backend=${api()}`, `adapter=${name}`]);
  instances.set(name, instance);
  return instance;
}

const request = (instance: Instance): Promise<Adapter | null> =>
  instance.requestAdapter({powerPreference: 'high-performance'});

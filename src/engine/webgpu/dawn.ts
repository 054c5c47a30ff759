import {EngineError} from '../../errors.js';

/** What Dawn says of an adapter; all but `isFallbackAdapter` may be empty. */
export interface AdapterInfo {
  vendor: string;
  /** For example `hopper`. */
  architecture: string;
  device: string;
  /** The driver and its version. */
  description: string;
  /** Whether it computes on the processor. */
  isFallbackAdapter: boolean;
}

/** tfjs's types are of a WebGPU that had no `info` yet. */
export type Adapter = Omit<GPUAdapter, 'info'> & {info: AdapterInfo};

/** One instance of Dawn. */
export interface Instance {
  requestAdapter(options: {powerPreference: 'high-performance'}): Promise<Adapter | null>;
}

/** The `webgpu` package: Dawn, the WebGPU of Chromium, for Node. */
export interface Dawn {
  /** @param options - `key=value`: `backend`, and `adapter` with a part of a name */
  create(options: string[]): Instance;
  /** WebGPU's classes and constants, which tfjs expects as globals. */
  globals: object;
}

/** It is an optional dependency, of 132 MB: its types are not there where it is not. */
const PACKAGE: string = 'webgpu';

/**
 * Loads Dawn.
 * @throws EngineError where its package is missing, or has no build for this machine
 */
export async function loadDawn(): Promise<Dawn> {
  try {
    return (await import(PACKAGE)) as Dawn;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const [line] = (error as Error).message.split('\n');
    throw new EngineError(
      missing
        ? 'engine webgpu cannot run: the npm package webgpu is not installed; `npm install webgpu` beside ztt gets it (132 MB).'
        : `engine webgpu cannot run: the npm package webgpu is installed and does not load here: ${line}`,
    );
  }
}

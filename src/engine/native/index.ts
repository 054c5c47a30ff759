/** The native engine: a tfjs backend over the addon in `native/`. */
import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import type {KernelsOf, KernelTable} from '../contract.js';
import {registerKernels} from '../register.js';
import {NativeBackend} from './backend.js';
import {loadBinding} from './binding.js';
import {COPIES} from './kernels/copies.js';
import {ELEMENTWISE} from './kernels/elementwise.js';
import {FUSED} from './kernels/fused.js';
import {PRODUCTS} from './kernels/products.js';
import {BACKEND, inheritKernels, overrideKernels} from './kernels/register.js';
import {ROWS} from './kernels/rows.js';
import {STRANDS} from './kernels/strands.js';

/** The engine's kernels of the contract. */
const FUSED_KERNELS: KernelTable<KernelsOf<'native'>, TensorInfo, NativeBackend> = {...FUSED, ...STRANDS};

/** What `startNative` found. */
export type NativeStart =
  {ok: true; backend: string; instructions: string; built: boolean} | {ok: false; reason: string};

/** Loads the addon, building it where need be, and registers its backend with tfjs. */
export async function startNative(): Promise<NativeStart> {
  const loaded = await loadBinding();
  if (!loaded.ok) return loaded;
  const {binding, built} = loaded;
  if (!tf.findBackendFactory(BACKEND)) {
    inheritKernels();
    for (const kernels of [ELEMENTWISE, ROWS, COPIES, PRODUCTS]) overrideKernels(kernels);
    registerKernels(BACKEND, FUSED_KERNELS);
    tf.registerBackend(BACKEND, () => new NativeBackend(binding));
  }
  return {ok: true, backend: BACKEND, instructions: binding.cpu(), built};
}

/** Threads for what runs next. */
export async function setNativeThreads(threads: number): Promise<void> {
  const loaded = await loadBinding();
  if (loaded.ok) loaded.binding.setThreads({threads});
}

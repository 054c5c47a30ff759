import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join, resolve} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {EngineError} from '../../errors.js';
import type {TensorflowBackend} from './backend.js';
import {BUILT, tensorflowFolder, thisMachine} from './folder.js';
import {readRecord} from './record.js';

const require = createRequire(import.meta.url);
const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

/** A loaded backend and what it was loaded from. */
export interface Loaded {
  backend: TensorflowBackend;
  /** The npm package, as `name@version`. */
  package: string;
}

/** The name under which the shims in the built folder's `node_modules` find tfjs-core: there is only one of it. */
const TFJS_CORE = Symbol.for('ztt.tfjs-core');

/**
 * Loads the backend that `ztt engines install tensorflow` built, else the package that is installed beside ztt.
 * @throws EngineError where there is none, or it does not load
 */
export async function loadBackend(): Promise<Loaded> {
  const built = loadBuilt(tensorflowFolder());
  if (built) return built;
  for (const name of PACKAGES) {
    if (isInstalled(name)) return loadPackage(name);
  }
  throw new EngineError(
    'engine tensorflow cannot run: it is not set up; `ztt engines install tensorflow --from-pip PYTHON` builds it ' +
      'against the TensorFlow of a Python (with CUDA: `pip install tensorflow[and-cuda]`).',
  );
}

/** What is in the folder; null if nothing was built there. */
function loadBuilt(folder: string): Loaded | null {
  const record = readRecord(folder);
  if (!record) return null;
  const again = '`ztt engines install tensorflow --force` builds it anew';
  if (record.machine !== thisMachine()) {
    throw new EngineError(
      `engine tensorflow cannot run: ${folder} was built for ${record.machine}, and this is ${thisMachine()}; ${again}.`,
    );
  }
  const gone = record.libraries.map((path) => resolve(folder, path)).find((path) => !existsSync(path));
  if (gone !== undefined) {
    throw new EngineError(
      `engine tensorflow cannot run: it was built against ${gone}, which is no longer there; ${again}.`,
    );
  }
  Object.defineProperty(globalThis, TFJS_CORE, {
    value: require('@tensorflow/tfjs-core') as unknown,
    configurable: true,
  });
  try {
    const binding = require(join(folder, BUILT.binding)) as TensorflowBackend['binding'];
    const inPackage = createRequire(join(folder, BUILT.package, 'package.json'));
    inPackage('./dist/register_all_kernels.js');
    const {NodeJSKernelBackend} = inPackage('./dist/nodejs_kernel_backend.js') as {
      NodeJSKernelBackend: new (binding: unknown, name: string) => TensorflowBackend;
    };
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, record.package));
  } catch (error) {
    throw new EngineError(
      `engine tensorflow cannot run: ${folder} does not load: ${firstLine(error)}; ${again}.`,
      {cause: error},
    );
  }
  return {backend: registered(folder), package: record.package};
}

async function loadPackage(name: string): Promise<Loaded> {
  await import(name).catch((error: unknown) => {
    throw new EngineError(
      `engine tensorflow cannot run: ${name} is installed but does not load: ${firstLine(error)}; ` +
        '`ztt engines install tensorflow` builds it against a TensorFlow of yours.',
      {cause: error},
    );
  });
  const {version} = require(`${name}/package.json`) as {version: string};
  return {backend: registered(name), package: `${name}@${version}`};
}

function registered(from: string): TensorflowBackend {
  const backend = tf.findBackend('tensorflow') as TensorflowBackend | null;
  if (!backend) throw new EngineError(`engine tensorflow cannot run: ${from} registered no backend.`);
  return backend;
}

function isInstalled(name: string): boolean {
  try {
    require.resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
}

/** An error's first line, without the full stop that the message around it has. */
const firstLine = (error: unknown): string => (error as Error).message.split('\n')[0]!.replace(/[.\s]+$/, '');

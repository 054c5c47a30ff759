import {readdir} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {EngineError} from '../errors.js';
import type {Environment} from '../engine/index.js';
import type {Library} from './library.js';

const require = createRequire(import.meta.url);

/** The exports of `native/compiler.mjs`. */
export interface CompilerModule {
  findCompiler: (options: {env: Environment}) => Promise<string>;
  execute: (
    command: string,
    args: readonly string[],
    options: {env: Environment; signal?: AbortSignal},
  ) => Promise<void>;
}

/** The compiler's module, which the native engine's build shares. */
export const compilerModule = async (): Promise<CompilerModule> =>
  (await import(new URL('../../native/compiler.mjs', import.meta.url).href)) as CompilerModule;

/** Node-API 8 is in every Node from 12.22 on, and its interface never changes: one build serves all of them. */
const FLAGS = ['-std=c++17', '-O2', '-fPIC', '-fvisibility=hidden', '-w', '-DNAPI_VERSION=8'];
const LINK_FLAGS = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];

/**
 * Compiles tfjs-node's binding against a libtensorflow, without node-gyp: it is two files, and Node's headers come
 * with the package node-api-headers, so that nothing is fetched.
 * @param sources - the folder of the binding's .cc files
 * @throws EngineError with the compiler's first complaint, or how to get a compiler
 */
export async function compileBinding(
  sources: string,
  library: Library,
  output: string,
  {env, signal}: {env: Environment; signal?: AbortSignal},
): Promise<void> {
  const {findCompiler, execute} = await compilerModule();
  const files = (await readdir(sources)).filter((name) => name.endsWith('.cc'));
  const {include_dir: nodeHeaders} = require('node-api-headers') as {include_dir: string};
  try {
    const compiler = await findCompiler({env});
    await execute(
      compiler,
      [
        ...FLAGS,
        ...LINK_FLAGS,
        ...[nodeHeaders.replaceAll('"', ''), library.include].flatMap((folder) => ['-isystem', folder]),
        ...files.map((name) => join(sources, name)),
        ...library.files,
        `-Wl,-rpath,${library.runPath}`,
        '-o',
        output,
      ],
      {env, signal},
    );
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new EngineError(`the binding cannot be built: ${(error as Error).message}.`, {cause: error});
  }
}

import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdir, readdir, readFile, rename, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {promisify} from 'node:util';
import {EngineError} from '../errors.js';
import type {Environment} from '../engine/index.js';
import {unpack} from './tar.js';

/** The package whose sources the binding is built from, and the sha512 of its tarball in npm's registry. */
export const BINDING_PACKAGE = {
  name: '@tensorflow/tfjs-node',
  version: '4.22.0',
  sha512: 'uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
};

/** The controls of a call of npm. */
export interface NpmOptions {
  env: Environment;
  signal?: AbortSignal;
}

/**
 * Puts tfjs-node's files into a folder, from the npm registry or npm's own cache: npm knows mirrors, proxies and
 * certificates. None of its install scripts run, and what it depends on is not fetched: of `@tensorflow/tfjs`, a union
 * of 141 MB, the backend uses what tfjs-core has, and that must be the one that ztt computes with. A module of a line
 * hands it over. TensorBoard's protocol buffers are left out.
 * @throws EngineError where npm is missing or fails, or the tarball is another
 */
export async function fetchBindingPackage(folder: string, work: string, options: NpmOptions): Promise<void> {
  const tarball = await readFile(await packTarball(work, options));
  const {name, version, sha512} = BINDING_PACKAGE;
  if (createHash('sha512').update(tarball).digest('base64') !== sha512) {
    throw new EngineError(
      `${name}@${version} from npm is not the package that ztt knows: its sha512 differs; is the registry a mirror that changes packages?`,
    );
  }
  const archive = join(work, 'tfjs-node.tgz');
  await writeFile(archive, tarball);
  await unpack(archive, work, options.signal);
  await placePackage(join(work, 'package'), folder);
}

/** The tarball as npm packs it; from npm's cache where it is there. */
async function packTarball(work: string, {env, signal}: NpmOptions): Promise<string> {
  const {name, version} = BINDING_PACKAGE;
  const packed = join(work, 'packed');
  await mkdir(packed, {recursive: true});
  const args = [
    'pack',
    `${name}@${version}`,
    '--pack-destination',
    packed,
    '--ignore-scripts',
    '--prefer-offline',
  ];
  await promisify(execFile)('npm', args, {cwd: work, env: env, signal}).catch(
    (error: NodeJS.ErrnoException & {stderr?: string}) => {
      if (signal?.aborted) throw error;
      const why =
        error.code === 'ENOENT'
          ? 'npm is not on the PATH; install it, it comes with Node'
          : `${npmComplaint(error.stderr ?? error.message)}; is there a network, or a registry that has it?`;
      throw new EngineError(`${name}@${version} cannot be fetched: ${why}`, {cause: error});
    },
  );
  const [file] = await readdir(packed);
  if (file === undefined) throw new EngineError(`npm pack ${name}@${version} wrote no file.`);
  return join(packed, file);
}

/** npm's error code and first sentence. */
function npmComplaint(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => /^npm (?:ERR!|error) (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined);
  return lines.slice(0, 2).join(': ') || said.trim().split('\n')[0]!;
}

/** A module that is the tfjs-core which ztt has loaded; `src/engine/tensorflow/load.ts` puts it there. */
const SHIM = `module.exports = globalThis[Symbol.for('ztt.tfjs-core')];\n`;

async function placePackage(unpacked: string, folder: string): Promise<void> {
  for (const part of ['package.json', 'binding', 'dist']) {
    await rename(join(unpacked, part), await folderFor(join(folder, part)));
  }
  await writeFile(join(folder, 'dist', 'proto', 'api_pb.js'), 'module.exports = {};\n');
  for (const name of ['tfjs', 'tfjs-core']) {
    const shim = join(folder, 'node_modules', '@tensorflow', name, 'index.js');
    await writeFile(await folderFor(shim), SHIM);
  }
}

/** The path, once the folder above it is there. */
async function folderFor(path: string): Promise<string> {
  await mkdir(dirname(path), {recursive: true});
  return path;
}

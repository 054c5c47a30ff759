import {createHash} from 'node:crypto';
import {open, rename} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {EngineError} from '../errors.js';
import {requireFreeSpace} from '../files/index.js';
import {nvidiaGpus, type Environment} from '../engine/index.js';
import {bodyChunks, networkTrouble, STALL_MS, StalledError} from '../hub/index.js';
import {libraryOfFolder, type Library} from './library.js';
import {unpack} from './tar.js';

/** The address at which TensorFlow's makers publish libtensorflow. */
const ARCHIVES = 'https://storage.googleapis.com/tensorflow/versions';

/** The last published version of each platform (tensorflow.org/install/lang_c). */
const PUBLISHED: Record<string, {version: string; names: readonly string[]}> = {
  'linux-x64': {version: '2.18.0', names: ['cpu-linux-x86_64', 'gpu-linux-x86_64']},
  'darwin-x64': {version: '2.16.2', names: ['cpu-darwin-x86_64']},
  'darwin-arm64': {version: '2.18.0', names: ['cpu-darwin-arm64']},
};

/** The largest unpacked size, as a multiple of the archive's; measured on the wheels, which have the same libraries. */
const UNPACKED = 5;

/**
 * The address of the official archive for this machine: with CUDA where there is an NVIDIA GPU.
 * @throws EngineError where none is published
 */
export async function archiveAddress(env: Environment, archives = ARCHIVES): Promise<string> {
  const machine = `${process.platform}-${process.arch}`;
  const published = PUBLISHED[machine];
  if (!published) {
    throw new EngineError(
      `no libtensorflow is published for ${machine}; build against a pip-installed TensorFlow with --from-pip PYTHON.`,
    );
  }
  const {version, names} = published;
  const gpu = names.length > 1 && (await nvidiaGpus(env)).length > 0;
  return `${archives}/${version}/libtensorflow-${names[gpu ? 1 : 0]}.tar.gz`;
}

/** The controls of a download. */
export interface DownloadOptions {
  /** The folder that becomes the engine's. */
  stage: string;
  /** A folder for what is not kept. */
  work: string;
  onPhase?: (phase: string) => void;
  onBytes?: (done: number, total: number) => void;
  signal?: AbortSignal;
  /** Milliseconds without a byte after which it is given up; for tests. */
  stallMs?: number;
}

/**
 * Downloads and unpacks the official archive: the libraries stay beside the binding.
 * @throws EngineError where it cannot be reached, does not come whole, or is another file than the server says
 */
export async function downloadLibrary(address: string, options: DownloadOptions): Promise<Library> {
  const {stage, work, onPhase, signal} = options;
  onPhase?.('Downloading libtensorflow');
  const archive = join(work, 'libtensorflow.tar.gz');
  await download(address, archive, options);
  onPhase?.('Unpacking libtensorflow');
  const unpacked = join(work, 'libtensorflow');
  await unpack(archive, unpacked, signal);
  const {include, files} = libraryOfFolder(unpacked);
  const lib = join(unpacked, 'lib');
  await rename(lib, join(stage, 'lib'));
  const origin = process.platform === 'darwin' ? '@loader_path' : '$ORIGIN';
  return {
    include,
    files: files.map((path) => path.replace(lib, join(stage, 'lib'))),
    runPath: `${origin}/lib`,
  };
}

async function download(address: string, path: string, options: DownloadOptions): Promise<void> {
  const {onBytes, signal, stallMs = STALL_MS} = options;
  const file = await open(path, 'wx');
  try {
    const response = await answer(address, signal, stallMs);
    if (!response.ok) throw cannot(address, `the server answered ${response.status}`);
    const total = Number(response.headers.get('content-length') ?? NaN);
    if (!(total > 0)) throw cannot(address, 'the server does not say how large it is');
    await requireFreeSpace(dirname(options.stage), total * (1 + UNPACKED));
    const hash = createHash('md5');
    let done = 0;
    for await (const chunk of bodyChunks(response, stallMs)) {
      signal?.throwIfAborted();
      await file.write(chunk);
      hash.update(chunk);
      done += chunk.byteLength;
      onBytes?.(done, total);
    }
    if (done !== total) throw cannot(address, `${done} of ${total} bytes came`);
    const expected = md5Of(response);
    if (expected !== undefined && expected !== hash.digest('base64')) {
      throw cannot(address, 'what came is not what the server has, by its md5; run the same command again');
    }
  } catch (error) {
    const why = signal?.aborted ? undefined : networkTrouble(error)?.why;
    if (why === undefined) throw error;
    throw cannot(address, `${why}; --from-pip PYTHON or --libtensorflow DIR need no download`, error);
  } finally {
    await file.close();
  }
}

/** A server's answer, waited for as long as for a byte. */
async function answer(address: string, signal: AbortSignal | undefined, stallMs: number): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new StalledError(stallMs)), stallMs);
  try {
    return await fetch(address, {signal: AbortSignal.any([late.signal, ...(signal ? [signal] : [])])});
  } finally {
    clearTimeout(timer);
  }
}

/** The hashes that Google's storage sends with a file: `x-goog-hash: crc32c=...,md5=...`, in base64. */
const md5Of = (response: Response): string | undefined =>
  /\bmd5=([\w+/]+=*)/.exec(response.headers.get('x-goog-hash') ?? '')?.[1];

const cannot = (address: string, why: string, cause?: unknown): EngineError =>
  new EngineError(`${address} cannot be downloaded: ${why}.`, {cause});

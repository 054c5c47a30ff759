import {mkdir, rm, writeFile} from 'node:fs/promises';
import {dirname, join, relative, resolve} from 'node:path';
import {EngineError, InterruptedError, UsageError} from '../errors.js';
import {requireFreeSpace, withLock, writeOwnFolder} from '../files/index.js';
import {
  BUILT,
  readRecord,
  tensorflowFolder,
  thisMachine,
  type BuiltRecord,
  type Environment,
  type LibrarySource,
} from '../engine/index.js';
import {archiveAddress, downloadLibrary} from './archive.js';
import {BINDING_PACKAGE, fetchBindingPackage} from './binding-package.js';
import {compileBinding} from './compile.js';
import {libraryOfFolder, libraryOfPip, requireVersion, type Library} from './library.js';
import {probeBinding} from './probe.js';

/** The source of libtensorflow: at most one; the Python on the PATH unless given. */
export interface InstallOptions {
  /** A Python with a TensorFlow in it. */
  fromPip?: string;
  /** A folder with `include` and `lib`. */
  libtensorflow?: string;
  /** The official archive. */
  download?: boolean;
  /** Build anew what is there already. */
  force?: boolean;
  /** Told what is going on now. */
  onPhase?: (phase: string) => void;
  /** Told of a download's progress, in bytes. */
  onBytes?: (done: number, total: number) => void;
  signal?: AbortSignal;
  /** The environment; `process.env` by default. */
  env?: Environment;
  /** The address of the official archives; tests set it. */
  archives?: string;
}

/** The result of an installation. */
export interface InstallReport {
  folder: string;
  /** libtensorflow's version. */
  tensorflow: string;
  /** True if it has found a GPU that it can compute on. */
  gpu: boolean;
  source: LibrarySource;
  /** False if all was there already. */
  built: boolean;
}

/** The commands that are searched for TensorFlow unless a source is given. */
const PYTHON = 'python3';
/** The package, what it unpacks to, and the binding. */
const SPACE = 60e6;

/**
 * Sets the tensorflow engine up in the user's data folder, all or nothing: fetches tfjs-node's package from npm,
 * compiles its binding against a libtensorflow, and sees it load.
 * @throws EngineError saying what is missing and how to get it; UsageError for two sources; FileError where the folder
 *   cannot be written, or another process is at it; InterruptedError
 */
export async function installTensorflow(options: InstallOptions = {}): Promise<InstallReport> {
  const {env = process.env, signal} = options;
  try {
    return await install(options, env);
  } catch (error) {
    if (signal?.aborted) throw new InterruptedError('stopped; nothing was installed.', {cause: error});
    throw error;
  }
}

async function install(options: InstallOptions, env: Environment): Promise<InstallReport> {
  const {force = false, signal} = options;
  requirePlatform();
  const folder = tensorflowFolder(env);
  const {source, asked} = await chooseSource(options, env);
  const existing = force ? null : await findExisting(folder, asked ? source : null, {env, signal});
  if (existing) return existing;
  await requireFreeSpace(folder, SPACE);
  return withLock(dirname(folder), () => build(folder, source, options, env), {signal});
}

/** Fills the engine's folder. */
function build(
  folder: string,
  source: LibrarySource,
  options: InstallOptions,
  env: Environment,
): Promise<InstallReport> {
  const {signal, onPhase = () => {}} = options;
  return writeOwnFolder(folder, async (stage) => {
    const work = join(stage, 'work');
    await mkdir(work);
    const library = await findLibrary(source, {...options, env, stage, work});
    onPhase(`Fetching ${BINDING_PACKAGE.name}`);
    await fetchBindingPackage(join(stage, BUILT.package), work, {env, signal});
    onPhase('Compiling the binding');
    const binding = join(stage, BUILT.binding);
    await compileBinding(join(stage, BUILT.package, 'binding'), library, binding, {env, signal});
    onPhase('Loading TensorFlow');
    const {version, gpu} = await probeBinding(binding, {env, signal});
    requireVersion(version, 'this libtensorflow');
    await rm(work, {recursive: true});
    const record: BuiltRecord = {
      format: 1,
      package: `${BINDING_PACKAGE.name}@${BINDING_PACKAGE.version}`,
      tensorflow: version,
      source,
      libraries: library.files.map((path) => (path.startsWith(stage) ? relative(stage, path) : path)),
      machine: thisMachine(),
    };
    await writeFile(join(stage, BUILT.record), `${JSON.stringify(record, null, 2)}\n`);
    return {folder, tensorflow: version, gpu, source, built: true};
  });
}

function requirePlatform(): void {
  if (process.platform === 'linux' || process.platform === 'darwin') return;
  throw new EngineError(
    'the binding is built on Linux and macOS; elsewhere, `npm install @tensorflow/tfjs-node` beside ztt.',
  );
}

/** The source that the options name, and whether they name one at all. */
async function chooseSource(
  {fromPip, libtensorflow, download, archives}: InstallOptions,
  env: Environment,
): Promise<{source: LibrarySource; asked: boolean}> {
  const asked = [fromPip, libtensorflow, download || undefined].filter((given) => given !== undefined).length;
  if (asked > 1) {
    throw new UsageError('--from-pip, --libtensorflow and --download exclude each other; give one.');
  }
  const source = async (): Promise<LibrarySource> => {
    if (libtensorflow !== undefined) return {kind: 'folder', from: resolve(libtensorflow)};
    if (download) return {kind: 'download', from: await archiveAddress(env, archives)};
    const python = fromPip ?? PYTHON;
    return {kind: 'pip', from: /[\\/]/.test(python) ? resolve(python) : python};
  };
  return {source: await source(), asked: asked > 0};
}

function findLibrary(
  {kind, from}: LibrarySource,
  options: InstallOptions & {env: Environment; stage: string; work: string},
): Promise<Library> {
  if (kind === 'folder') return Promise.resolve(libraryOfFolder(from));
  return kind === 'pip' ? libraryOfPip(from, options.env) : downloadLibrary(from, options);
}

/**
 * Finds an earlier installation that loads.
 * @param asked - the source that must be its, or null if any will do
 * @throws EngineError where it is of another source
 */
async function findExisting(
  folder: string,
  asked: LibrarySource | null,
  options: {env: Environment; signal?: AbortSignal},
): Promise<InstallReport | null> {
  const record = await readRecord(folder);
  if (!record) return null;
  const {source} = record;
  const probe = await probeBinding(join(folder, BUILT.binding), options).catch((error: unknown) => {
    if (error instanceof EngineError) return null;
    throw error;
  });
  if (!probe) return null;
  if (asked && (asked.kind !== source.kind || asked.from !== source.from)) {
    throw new EngineError(
      `the tensorflow engine is set up already, with TensorFlow ${probe.version} of ${source.from}; --force replaces it.`,
    );
  }
  return {folder, tensorflow: probe.version, gpu: probe.gpu, source, built: false};
}

import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {z} from 'zod';
import {EngineError} from '../errors.js';
import {parseWith} from '../files/index.js';
import type {Environment} from '../engine/index.js';

/** A libtensorflow to build against. */
export interface Library {
  /** The folder of its headers. */
  include: string;
  /** Its shared libraries: what the binding is linked with. */
  files: string[];
  /** The folder where the binding looks for them when it is loaded. */
  runPath: string;
}

/** The oldest TensorFlow whose C interface the binding's sources fit. */
const OLDEST = [2, 9] as const;

/** Headers that the binding includes; all others follow from these. */
const HEADERS = [
  'tensorflow/c/c_api.h',
  'tensorflow/c/eager/c_api.h',
  'tensorflow/core/platform/ctstring_internal.h',
];

/** The advice for a Python that cannot be used. */
const OTHERWISE =
  'name another with --from-pip PYTHON, or a libtensorflow with --libtensorflow DIR or --download';

/** Finds TensorFlow's folder and version without loading it, which takes seconds. */
const FIND = `
import importlib.util, json
from importlib import metadata
spec = importlib.util.find_spec("tensorflow")
version = None
for name in ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-rocm", "tensorflow-macos", "tf-nightly"):
    try:
        version = version or metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
places = list(spec.submodule_search_locations or []) if spec else []
print(json.dumps({"folder": places[0] if places else None, "version": version}))
`;
const foundSchema = z.object({folder: z.string().nullable(), version: z.string().nullable()});

/**
 * The libtensorflow of a pip-installed TensorFlow.
 * @param python - a Python's name on the PATH, or its path
 * @throws EngineError where it does not run, or has no TensorFlow that serves
 */
export async function libraryOfPip(python: string, env: Environment): Promise<Library> {
  // Not in the current folder, where Python would find a folder that happens to be called tensorflow.
  const {stdout} = await promisify(execFile)(python, ['-c', FIND], {
    cwd: tmpdir(),
    env: env,
    timeout: 60_000,
  }).catch((error: NodeJS.ErrnoException & {stderr?: string}) => {
    const said = error.stderr?.trim().split('\n').at(-1);
    const why = error.code === 'ENOENT' ? 'there is no such program' : said || error.message.split('\n')[0];
    throw new EngineError(`${python} does not run as a Python: ${why}; ${OTHERWISE}.`, {
      cause: error,
    });
  });
  const {folder, version} = parseWith(foundSchema, JSON.parse(lastLine(stdout)), `what ${python} said`);
  if (folder === null || !existsSync(folder)) {
    throw new EngineError(
      `${python} has no TensorFlow; \`${python} -m pip install tensorflow\` gets it ` +
        `(tensorflow[and-cuda] with CUDA, tensorflow-cpu without), or ${OTHERWISE}.`,
    );
  }
  if (version !== null) requireVersion(version, `the TensorFlow of ${python}`);
  const files = libraryFiles(folder, 'tensorflow_cc');
  if (!files) {
    throw new EngineError(
      `the TensorFlow ${version ?? ''} of ${python} has no ${libraryName('tensorflow_cc')} in ${folder}, as newer ones ` +
        `have; \`${python} -m pip install --upgrade tensorflow\` gets one.`,
    );
  }
  const include = join(folder, 'include');
  requireHeaders(include, `the TensorFlow of ${python}`);
  return {include, files, runPath: folder};
}

/**
 * The libtensorflow of a folder with `include` and `lib`, as the official archive unpacks to.
 * @throws EngineError naming what it lacks
 */
export function libraryOfFolder(folder: string): Library {
  if (!existsSync(folder)) throw new EngineError(`there is no folder ${folder}.`);
  const lib = join(folder, 'lib');
  const files = libraryFiles(lib, 'tensorflow') ?? libraryFiles(lib, 'tensorflow_cc');
  if (!files) {
    throw new EngineError(
      `${folder} has no ${libraryName('tensorflow')} beside a ${libraryName('tensorflow_framework')} in its lib folder; ` +
        'it must be what the libtensorflow archive unpacks to.',
    );
  }
  const include = join(folder, 'include');
  requireHeaders(include, folder);
  return {include, files, runPath: lib};
}

/** @throws EngineError for a version that the binding does not fit */
export function requireVersion(version: string, whose: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== OLDEST[0] || !(minor >= OLDEST[1])) {
    throw new EngineError(
      `${whose} is of version ${version}; the binding needs ${OLDEST.join('.')} or a newer 2.x.`,
    );
  }
}

function requireHeaders(include: string, whose: string): void {
  const missing = HEADERS.find((header) => !existsSync(join(include, header)));
  if (missing !== undefined) {
    throw new EngineError(
      `${whose} lacks the header ${join(include, missing)}; it is not installed whole, or was made smaller.`,
    );
  }
}

/** The named library and the framework that it rests on; undefined unless both are there. */
function libraryFiles(folder: string, name: string): string[] | undefined {
  const found = [name, 'tensorflow_framework'].map((part) =>
    [libraryName(part), libraryName(part, '')]
      .map((file) => join(folder, file))
      .find((path) => existsSync(path)),
  );
  return found.includes(undefined) ? undefined : (found as string[]);
}

/** `libtensorflow_cc.so.2`; on macOS `libtensorflow_cc.2.dylib`. */
const libraryName = (name: string, version = '2'): string =>
  process.platform === 'darwin'
    ? `lib${name}${version && `.${version}`}.dylib`
    : `lib${name}.so${version && `.${version}`}`;

const lastLine = (text: string): string => text.trim().split('\n').at(-1)!;

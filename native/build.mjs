/**
 * Builds the native engine with the C++ compiler that is there: `native/build/ztt.node`.
 *
 *   node native/build.mjs                  the addon
 *   node native/build.mjs --sanitize       the addon with address and undefined-behaviour checks, in build-sanitize/
 *   node native/build.mjs --test           the engine's own test program (with --sanitize, or --sanitize=thread)
 *
 * Also a function, `buildNative`. What is up to date is not built again, and every file is written beside its
 * place and renamed, so that two processes may build at once. $CXX names another compiler.
 */
import {createHash} from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {createRequire} from 'node:module';
import {availableParallelism} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {execute, findCompiler} from './compiler.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const PLATFORMS = ['linux', 'darwin'];

// Results are the same bits on every path: the compiler may not fuse a * b + c where the source does not.
const FLAGS = ['-std=c++17', '-O3', '-fPIC', '-fvisibility=hidden', '-pthread', '-Wall', '-Wextra'].concat([
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-DNAPI_VERSION=9',
]);

/** Flags for the files of one instruction set, by the end of their names; other files run on any CPU. */
const ISA_FLAGS = {
  x64: {
    _avx512: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
    _avx2: ['-mavx2', '-mfma'],
    _shani: ['-msha', '-mssse3', '-msse4.1'],
  },
  arm64: {},
};

/** Where the addon lies once it is built. */
export const addonPath = (sanitize) => join(outputFolder(sanitize), 'ztt.node');

const outputFolder = (sanitize) =>
  join(here, sanitize ? `build-sanitize${sanitize === 'thread' ? '-thread' : ''}` : 'build');

/**
 * @param {{quiet?: boolean, sanitize?: boolean | 'thread', test?: boolean, log?: (line: string) => void}} options
 *   `quiet`: say nothing; `test`: build the test program instead of the addon.
 * @returns {Promise<{ok: true, path: string, built: boolean} | {ok: false, reason: string, detail: string}>}
 */
export async function buildNative({quiet = false, sanitize = false, test = false, log = console.error} = {}) {
  try {
    return {ok: true, ...(await build({sanitize, test, log: quiet ? () => {} : log}))};
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    return {ok: false, reason, detail: error?.detail ?? ''};
  }
}

async function build({sanitize, test, log}) {
  if (!PLATFORMS.includes(process.platform)) {
    throw new Error(`the native engine is for Linux and macOS, not ${process.platform}`);
  }
  const sources = test ? testSources() : [...listSources('src'), ...listSources('src/kernels')];
  const output = test ? join(outputFolder(sanitize), 'engine-test') : addonPath(sanitize);
  const flags = commonFlags(sanitize);
  const linkFlags = linkerFlags(sanitize, test);
  const headers = digest(
    ...['src', 'src/kernels', 'test']
      .flatMap((folder) => list(folder, '.h'))
      .map((file) => readFileSync(file)),
  );
  const jobs = sources.map((source) => {
    // The test program's own files, which check and compute nothing, compile in half the time without -O3.
    const own = dirname(source) === join(here, 'test') ? ['-O1'] : [];
    const compileFlags = [...flags, ...isaFlags(source), ...own];
    const key = digest(readFileSync(source), headers, compileFlags.join(' '), process.env.CXX ?? '');
    return {
      source,
      compileFlags,
      object: join(outputFolder(sanitize), 'objects', `${basename(source, '.cc')}-${key}.o`),
    };
  });
  const key = digest(linkFlags.join(' '), ...jobs.map((job) => job.object));
  if (existsSync(output) && read(`${output}.key`) === key) return {path: output, built: false};

  const compiler = await findCompiler();
  mkdirSync(join(outputFolder(sanitize), 'objects'), {recursive: true});
  log(`building the native engine with ${compiler} ...`);
  await inParallel(
    jobs.filter((job) => !existsSync(job.object)),
    ({source, compileFlags, object}) =>
      placed(object, (temporary) => execute(compiler, [...compileFlags, '-c', source, '-o', temporary])),
  );
  await placed(output, (temporary) =>
    execute(compiler, [...jobs.map((job) => job.object), ...linkFlags, '-o', temporary]),
  );
  writeFileSync(`${output}.key`, key);
  if (!test) dropOldObjects(jobs.map((job) => job.object));
  log(`built ${output}`);
  return {path: output, built: true};
}

function commonFlags(sanitize) {
  const includes = [require('node-api-headers').include_dir];
  const flags = [
    ...FLAGS,
    `-I${join(here, 'src')}`,
    ...includes.flatMap((folder) => ['-isystem', folder.replaceAll('"', '')]),
  ];
  return sanitize ? [...flags, '-O1', '-g', '-fno-omit-frame-pointer', sanitizer(sanitize)] : flags;
}

const sanitizer = (sanitize) =>
  sanitize === 'thread' ? '-fsanitize=thread' : '-fsanitize=address,undefined,float-cast-overflow';

function linkerFlags(sanitize, test) {
  const shared =
    process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-fPIC'];
  return [...(test ? [] : shared), '-pthread', ...(sanitize ? [sanitizer(sanitize)] : [])];
}

function isaFlags(source) {
  const suffix = /_[a-z0-9]+$/.exec(basename(source, '.cc'))?.[0] ?? '';
  return ISA_FLAGS[process.arch]?.[suffix] ?? [];
}

function list(folder, extension) {
  const path = join(here, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(path, name));
}

const listSources = (folder) => list(folder, '.cc');

/** The test program is the pool, the products and their tests: no Node in it. */
const testSources = () => [
  ...listSources('src').filter((file) => /^(pool|cpu|flops|gemm\w*)\.cc$/.test(basename(file))),
  ...listSources('test'),
];

async function inParallel(jobs, run) {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await run(job);
  };
  await Promise.all(Array.from({length: availableParallelism()}, worker));
}

async function placed(path, write) {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await write(temporary);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, {force: true});
  }
}

/** Objects of earlier sources; those of a build that runs at the same time have the same names and stay. */
function dropOldObjects(current) {
  const folder = dirname(current[0]);
  const names = new Set(current.map((path) => basename(path)));
  const stems = new Set(current.map((path) => basename(path).replace(/-[^-]*$/, '')));
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.o') && !names.has(name) && stems.has(name.replace(/-[^-]*$/, ''))) {
      rmSync(join(folder, name), {force: true});
    }
  }
}

function digest(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}

const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

if (
  process.argv[1] &&
  existsSync(process.argv[1]) &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  const flags = process.argv.slice(2);
  const result = await buildNative({
    quiet: flags.includes('--quiet'),
    sanitize: flags.includes('--sanitize=thread') ? 'thread' : flags.includes('--sanitize'),
    test: flags.includes('--test'),
  });
  if (!result.ok) {
    console.error(`native engine: ${result.reason}`);
    if (result.detail && !flags.includes('--quiet')) console.error(result.detail);
    process.exitCode = 1;
  }
}

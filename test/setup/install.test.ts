import {execFile} from 'node:child_process';
import {existsSync, readdirSync} from 'node:fs';
import {rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {beforeAll, describe, expect, it} from 'vitest';
import {EngineError, InterruptedError, UsageError} from '../../src/index.js';
import type {Engine, EngineStatus} from '../../src/engine/index.js';
import {installTensorflow, type Examination, type InstallOptions} from '../../src/setup/index.js';
import {BINDING_PACKAGE} from '../../src/setup/binding-package.js';
import {cli, cliJson} from '../commands/cli.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {TENSORFLOW_PYTHON} from '../helpers/find-tensorflow.js';
import {makeLibrary, makePackage, makePath, makeProgram, makePython, makeWheel} from './fixtures.js';

/** The libraries here are made as Linux has them. */
const builds = process.platform === 'linux';

/** Of the real package; the tests' own takes its place. */
const {sha512: published} = BINDING_PACKAGE;

const DIST = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

const temp = sharedTempFolder();
let path: string;
let library: string;
let wheel: string;
let python: string;

beforeAll(async () => {
  if (!builds) return;
  path = await makePath(temp.path('bin'));
  await makePackage(temp, path);
  library = await makeLibrary(temp.path('library'));
  wheel = await makeWheel(temp.path('site-packages', 'tensorflow'));
  python = await makePython(temp.path('venv'), {folder: wheel, version: '2.18.0'});
});

/** Installs into a data folder of the test's own. */
const install = (data: string, options: InstallOptions = {}, PATH = path) =>
  installTensorflow({...options, env: {PATH, HOME: temp.path(), XDG_DATA_HOME: temp.path(data)}});

const folderIn = (data: string) => temp.path(data, 'ztt', 'engines', 'tensorflow');

describe.runIf(builds)('ztt engines install tensorflow', () => {
  it('builds against a pip-installed TensorFlow, once, and the engine loads from there', async () => {
    const phases: string[] = [];
    const report = await install('pip', {fromPip: python, onPhase: (phase) => phases.push(phase)});
    expect(report).toEqual({
      folder: folderIn('pip'),
      tensorflow: '2.18.0',
      gpu: false,
      source: {kind: 'pip', from: python},
      built: true,
    });
    expect(phases).toEqual(['Fetching @tensorflow/tfjs-node', 'Compiling the binding', 'Loading TensorFlow']);
    expect(readdirSync(folderIn('pip')).sort()).toEqual(['engine.json', 'tfjs-node', 'tfjs_binding.node']);

    const engines = await cliJson<EngineStatus[]>(['engines'], {
      env: {XDG_DATA_HOME: temp.path('pip')},
      alone: true,
    });
    const {info} = engines.find(({name}) => name === 'tensorflow')!;
    expect(info).toMatchObject({version: '2.18.0 (tfjs-node@4.22.0)', hardware: 'cpu'});

    expect(await install('pip', {fromPip: python})).toEqual({...report, built: false});
    expect(await install('pip')).toEqual({...report, built: false});
    await expect(install('pip', {libtensorflow: library})).rejects.toThrow(
      /set up already, with TensorFlow 2\.18\.0 of .*python; --force replaces it/,
    );
    const forced = await install('pip', {libtensorflow: library, force: true});
    expect(forced).toMatchObject({built: true, source: {kind: 'folder', from: library}});
    expect(readdirSync(join(folderIn('pip'), '..'))).toEqual(['tensorflow']);
  });

  it('is taken by itself where it has a GPU, and there alone', async () => {
    await install('gpu', {libtensorflow: library});
    const bin = await makePath(temp.path('with-gpu'), ['sh', 'cat']);
    await makeProgram(bin, 'nvidia-smi', 'printf "0, Tesla T4, 15360, 550\\n1, NVIDIA H200, 143771, 550\\n"');
    const chosen = async (env: Record<string, string | undefined>) => {
      const script = `import {useEngine} from ${JSON.stringify(DIST)};
        console.log(JSON.stringify({...(await useEngine()), growth: process.env.TF_FORCE_GPU_ALLOW_GROWTH}));`;
      const {stdout} = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
        env: {PATH: path, HOME: temp.path(), XDG_DATA_HOME: temp.path('gpu'), ...env},
      });
      return JSON.parse(stdout) as Engine & {growth?: string};
    };
    const gpu = {PATH: `${bin}:${path}`, ZTT_TEST_FAKE_GPU: '1'};
    const first = await chosen(gpu);
    expect(first).toMatchObject({
      name: 'tensorflow',
      hardware: 'gpu',
      device: 'Tesla T4, CUDA',
      growth: 'true',
    });
    expect(first.why).toBe('engine tensorflow (Tesla T4, CUDA): the best');
    expect((await chosen({...gpu, CUDA_VISIBLE_DEVICES: '1'})).device).toBe('NVIDIA H200, CUDA');
    // A GPU that TensorFlow does not find, as one without CUDA; and none at all, for which it is not loaded.
    for (const env of [{PATH: gpu.PATH}, {ZTT_TEST_FAKE_GPU: '1'}]) {
      const without = await chosen(env);
      expect(without.name).toBe('native');
      expect(without.why).toMatch(/without tensorflow, webgpu$/);
    }
    const {findings} = await cliJson<Examination>(['doctor'], {
      alone: true,
      env: {PATH: gpu.PATH, XDG_DATA_HOME: temp.path('gpu')},
    });
    const {verdict, advice} = findings.find(({check}) => check === 'engine tensorflow')!;
    expect([verdict, advice]).toEqual(['warning', expect.stringContaining('this TensorFlow finds no GPU')]);
  });

  it('tells what is wrong with a build that no longer fits, and builds it anew', async () => {
    const moved = await makeLibrary(temp.path('before'));
    await install('moved', {libtensorflow: moved});
    await rename(moved, temp.path('after'));
    const env = {XDG_DATA_HOME: temp.path('moved')};
    const engines = await cliJson<EngineStatus[]>(['engines'], {env, alone: true});
    expect(engines[0]!.reason).toMatch(
      /built against .*before\/lib\/libtensorflow\.so\.2, which is no longer there; `ztt engines install tensorflow --force`/,
    );
    const report = await install('moved', {libtensorflow: temp.path('after')});
    expect(report).toMatchObject({built: true, tensorflow: '2.18.0'});
  });

  it('takes the Python of the PATH where no source is given', async () => {
    const bin = await makePath(temp.path('bin3'), ['sh', 'cat']);
    await makeProgram(bin, 'python3', `exec ${python}`);
    const report = await install('python3', {}, `${bin}:${path}`);
    expect(report.source).toEqual({kind: 'pip', from: 'python3'});
  });

  it('leaves nothing where it is stopped', async () => {
    const stop = new AbortController();
    const onPhase = (phase: string) => phase.startsWith('Compiling') && stop.abort();
    const stopped = install('stopped', {libtensorflow: library, onPhase, signal: stop.signal});
    await expect(stopped).rejects.toThrow(InterruptedError);
    expect(existsSync(temp.path('stopped'))).toBe(false);
  });

  it('refuses two sources at the command line, with the exit code of wrong usage', async () => {
    await expect(install('two', {fromPip: python, download: true})).rejects.toThrow(UsageError);
    const both = ['engines', 'install', 'tensorflow', '--download', '--libtensorflow', library];
    expect((await cli(both)).code).toBe(2);
    expect((await cli(['engines', 'install', 'warp'])).code).toBe(2);
  });
});

describe.runIf(builds)('what an install lacks', () => {
  const old = async () => makePython(temp.path('old'), {folder: wheel, version: '2.3.4'});
  const none = () => makePython(temp.path('none'), {folder: null, version: null});
  const small = async () => {
    const folder = await makeLibrary(temp.path('small'));
    await rm(join(folder, 'include/tensorflow/c/eager'), {recursive: true});
    return folder;
  };
  const noLibrary = () =>
    makePython(temp.path('no-library'), {folder: temp.path('site-packages'), version: '2.18.0'});

  it.each<[string, () => Promise<InstallOptions>, RegExp]>([
    [
      'a Python',
      () => Promise.resolve({fromPip: '/nowhere/python'}),
      /\/nowhere\/python does not run as a Python: there is no such program/,
    ],
    ['a Python that is one', () => Promise.resolve({fromPip: 'ls'}), /ls does not run as a Python: .*-c/],
    [
      'TensorFlow in it',
      async () => ({fromPip: await none()}),
      /has no TensorFlow; `.*python -m pip install tensorflow`/,
    ],
    [
      'a version that serves',
      async () => ({fromPip: await old()}),
      /is of version 2\.3\.4; the binding needs 2\.9 or a newer 2\.x/,
    ],
    [
      'the C library',
      async () => ({fromPip: await noLibrary()}),
      /has no libtensorflow_cc\.so\.2 in .*--upgrade tensorflow/,
    ],
    ['the folder', () => Promise.resolve({libtensorflow: '/nowhere'}), /there is no folder \/nowhere/],
    [
      'a library in it',
      () => Promise.resolve({libtensorflow: temp.path('bin')}),
      /has no libtensorflow\.so\.2 beside/,
    ],
    ['a header', async () => ({libtensorflow: await small()}), /lacks the header .*eager\/c_api\.h/],
    [
      'a version that serves, by its own word',
      async () => ({libtensorflow: await makeLibrary(temp.path('one'), '1.15.0')}),
      /this libtensorflow is of version 1\.15\.0/,
    ],
  ])('%s', async (_, options, message) => {
    await expectNothing(install('lacking', await options()), message);
  });

  it.each<[string, (bin: string) => Promise<unknown>, RegExp]>([
    ['npm', () => Promise.resolve(), /npm is not on the PATH/],
    [
      'a network',
      (bin) =>
        makeProgram(
          bin,
          'npm',
          'echo "npm error code ENOTFOUND" >&2; echo "npm error syscall getaddrinfo" >&2; exit 1',
        ),
      /tfjs-node@4\.22\.0 cannot be fetched: code ENOTFOUND: syscall getaddrinfo; is there a network/,
    ],
    [
      'the package as it was published',
      (bin) => makeProgram(bin, 'npm', 'echo other > "$4/x.tgz"'),
      /its sha512 differs/,
    ],
  ])('%s', async (_, change, message) => {
    const bin = await makePath(temp.path(`bin-${message.source.length}`), [
      'sh',
      'cat',
      'tar',
      'gzip',
      'node',
      'c++',
      'ld',
      'as',
    ]);
    await change(bin);
    await expectNothing(install('lacking', {libtensorflow: library}, bin), message);
  });

  it('a compiler', async () => {
    const bin = await makePath(temp.path('bin-compiler'), ['sh', 'cp', 'tar', 'gzip', 'node']);
    await makePackage(temp, bin);
    await expectNothing(
      install('lacking', {libtensorflow: library}, bin),
      /the binding cannot be built: no C\+\+ compiler \(.*\) was found; install one/,
    );
  });

  it('sources that compile, or load', async () => {
    const {sha512} = BINDING_PACKAGE;
    const bin = await makePath(temp.path('bin-broken'));
    await makePackage(temp, bin, 'int broken = ;');
    await expectNothing(
      install('lacking', {libtensorflow: library}, bin),
      /cannot be built: c\+\+ failed \(1\): .*error: /,
    );
    await makePackage(
      temp,
      bin,
      '#include <node_api.h>\nextern "C" int gone(); NAPI_MODULE_INIT() { gone(); return exports; }',
    );
    await expectNothing(
      install('lacking', {libtensorflow: library}, bin),
      /was built and does not load: .*undefined symbol: gone/,
    );
    BINDING_PACKAGE.sha512 = sha512;
  });

  async function expectNothing(installing: Promise<unknown>, message: RegExp): Promise<void> {
    const error = await installing.then(
      () => null,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).toMatch(message);
    expect(error).toBeInstanceOf(EngineError);
    expect(existsSync(temp.path('lacking'))).toBe(false);
  }
});

describe.skipIf(!TENSORFLOW_PYTHON)(`against the TensorFlow of $ZTT_TEST_TENSORFLOW, a Python`, () => {
  it('builds tfjs-node as npm has it', async () => {
    BINDING_PACKAGE.sha512 = published;
    const report = await install('real', {fromPip: TENSORFLOW_PYTHON}, process.env.PATH);
    expect(report).toMatchObject({built: true});
    expect(report.tensorflow).toMatch(/^2\.\d+/);
  });
});

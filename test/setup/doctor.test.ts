import {describe, expect, it} from 'vitest';
import {examine, type Environment, type Examination, type ExaminedMachine} from '../../src/setup/index.js';
import {cli, cliOk} from '../commands/cli.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makePath, makeProgram, writeFiles} from './fixtures.js';

const temp = sharedTempFolder();

/** What is found of a machine that is as it should be but for these. */
async function examined(env: Environment, machine: Partial<ExaminedMachine> = {}): Promise<Examination> {
  const sound = {PATH: process.env.PATH, HF_HOME: temp.path('hf'), ZTT_CACHE: temp.path('cache')};
  return examine({node: '20.12.0', cwd: temp.path(), ...machine, env: {...sound, ...env}});
}

const lineOf = ({findings}: Examination, check: string) =>
  findings.find((finding) => finding.check === check)!;

describe('ztt doctor', () => {
  it('finds nothing wrong with a machine that serves, and tells what to do for each line that is not ok', async () => {
    const found = await examined({HF_TOKEN: 'hf_abc'});
    expect(found.ok).toBe(true);
    for (const check of ['Node', 'C++ compiler', 'Hub cache', 'Hub token', 'engine native', 'engine wasm']) {
      expect(lineOf(found, check), check).toMatchObject({verdict: 'ok'});
    }
    for (const {verdict, advice} of found.findings) expect(advice === undefined).toBe(verdict === 'ok');
    expect(found.findings.filter(({check}) => check.startsWith('engine'))).toHaveLength(5);
  });

  it.each<[string, Environment, Partial<ExaminedMachine>, string, RegExp]>([
    ['Node', {}, {node: '20.11.1'}, 'failed', /install Node 20\.12 or newer/],
    ['Hub cache', {HF_HOME: '/proc/hf'}, {}, 'failed', /set HF_HOME to a folder that you may write to/],
    ['token cache', {ZTT_CACHE: '/proc/ztt'}, {}, 'failed', /set ZTT_CACHE/],
    ['current folder', {}, {cwd: '/proc'}, 'warning', /change to a folder that you may write to/],
    ['Hub token', {}, {}, 'warning', /set HF_TOKEN, or run `hf auth login`/],
    ['Hub token', {HF_TOKEN: 'sesame'}, {}, 'warning', /begin with hf_/],
    ['Hub token', {HF_TOKEN: 'hf_open sesame'}, {}, 'failed', /HF_TOKEN holds no token/],
    ['Hub address', {HF_ENDPOINT: 'huggingface'}, {}, 'failed', /HF_ENDPOINT must be a plain http or https/],
    ['Hub address', {HF_HUB_OFFLINE: '1'}, {}, 'warning', /unset it to reach the Hub/],
    ['proxy', {https_proxy: 'http://me:sesame@proxy'}, {}, 'warning', /NODE_USE_ENV_PROXY is 1/],
    [
      'proxy',
      {https_proxy: 'http://p', NODE_USE_ENV_PROXY: '1'},
      {node: '22.0.0'},
      'warning',
      /from version 24/,
    ],
    ['proxy', {https_proxy: 'http://p', NODE_USE_ENV_PROXY: '1'}, {node: '24.0.0'}, 'ok', /^$/],
    ['C++ compiler', {PATH: '/nowhere'}, {}, 'warning', /no C\+\+ compiler .* install one/],
    ['C++ compiler', {CXX: '/nowhere/c++'}, {}, 'warning', /\$CXX names \(\/nowhere\/c\+\+\) does not run/],
  ])('%s with %o and %o: %s', async (check, env, machine, verdict, advice) => {
    const found = await examined(env, machine);
    expect(lineOf(found, check)).toMatchObject({verdict});
    expect(lineOf(found, check).advice ?? '').toMatch(advice);
    expect(found.ok).toBe(verdict !== 'failed');
    expect(JSON.stringify(found)).not.toContain('sesame');
  });

  it('exits with 1 where something fails, and still tells all, but no secret', async () => {
    const env = {HF_TOKEN: 'hf_open sesame', HF_HOME: temp.path('hf')};
    const json = await cli(['doctor', '--json'], {env});
    expect(json.code).toBe(1);
    const document = JSON.parse(json.stdout) as Examination;
    expect(document.ok).toBe(false);
    expect(lineOf(document, 'Hub token').verdict).toBe('failed');
    const text = await cli(['doctor'], {env});
    expect(text.code).toBe(1);
    expect(text.stdout).toMatch(/^Hub token +failed +unusable$/m);
    expect(text.stdout).toMatch(/^Hub token: HF_TOKEN holds no token/m);
    expect(text.stdout).toMatch(/\n1 check failed\.\n$/);
    expect(json.stdout + text.stdout + text.stderr).not.toContain('sesame');
    expect((await cliOk(['doctor'], {env: {HF_HOME: temp.path('hf')}})).stdout).toMatch(
      /ztt works here\.\n$/,
    );
  });
});

describe.runIf(process.platform === 'linux')('GPUs on Linux', () => {
  const smi = async (name: string, script: string) => {
    const path = await makePath(temp.path(name), ['sh', 'cat']);
    await makeProgram(path, 'nvidia-smi', script);
    return {PATH: path};
  };

  it('are told by the driver, and their CUDA libraries looked for', async () => {
    const env = await smi('gpu', 'echo "0, NVIDIA H200, 143771, 550.54.15"');
    const without = await examined({...env, CUDA_HOME: '/nowhere', XDG_DATA_HOME: temp.path('data')});
    expect(lineOf(without, 'NVIDIA driver')).toMatchObject({
      verdict: 'ok',
      found: '550.54.15: 0 NVIDIA H200 (151 GB)',
    });
    expect(lineOf(without, 'CUDA libraries')).toMatchObject({
      verdict: 'warning',
      found: 'libcudart.so.12, libcublas.so.12, libcudnn.so.9 not found',
    });
    expect(lineOf(without, 'CUDA libraries').advice).toContain('pip install tensorflow[and-cuda]');
    const libraries = ['libcudart.so.12', 'libcublas.so.12', 'libcudnn.so.9'];
    await writeFiles(temp.path('cuda/lib64'), Object.fromEntries(libraries.map((name) => [name, ''])));
    const found = await examined({...env, CUDA_HOME: temp.path('cuda')});
    expect(lineOf(found, 'CUDA libraries').verdict).toBe('ok');
  });

  it('are none where nvidia-smi fails or says something else', async () => {
    for (const [name, script] of [
      ['failing', 'exit 9'],
      ['odd', 'echo NVIDIA-SMI has failed'],
    ] as const) {
      const found = await examined(await smi(name, script));
      expect(lineOf(found, 'NVIDIA driver').verdict).toBe('warning');
      expect(lineOf(found, 'CUDA libraries').found).toMatch(/not needed/);
    }
  });

  it('have Vulkan drivers, whose manifests must be there', async () => {
    const gone = await examined({VK_DRIVER_FILES: '/nowhere/icd.json'});
    expect(lineOf(gone, 'Vulkan drivers')).toMatchObject({found: '/nowhere/icd.json missing'});
    await writeFiles(temp.path(), {'icd.json': '{}'});
    const there = await examined({VK_DRIVER_FILES: temp.path('icd.json')});
    expect(lineOf(there, 'Vulkan drivers').verdict).toBe('ok');
  });
});

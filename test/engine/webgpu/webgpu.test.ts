import * as tf from '@tensorflow/tfjs-core';
import {mkdir, writeFile} from 'node:fs/promises';
import {beforeAll, describe, expect, it} from 'vitest';
import {EngineError, listEngines, UsageError, useEngine} from '../../../src/index.js';
import {requireFit, requireMemory} from '../../../src/engine/webgpu/room.js';
import {findAdapter, openBackend} from '../../../src/engine/webgpu/start.js';
import {vulkanDrivers} from '../../../src/engine/webgpu/vulkan.js';
import {cli, expectFailure} from '../../commands/cli.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {
  hasSwiftShader,
  swiftShaderEnvironment,
  useSwiftShader,
  WITHOUT_SWIFTSHADER,
} from '../../helpers/swiftshader.js';
import {sharedTempFolder} from '../../helpers/temp.js';

describe("finding Vulkan's drivers", () => {
  const temp = sharedTempFolder();
  beforeAll(async () => {
    await mkdir(temp.path('share/vulkan/icd.d'), {recursive: true});
    for (const name of ['a.json', 'readme.txt'])
      await writeFile(temp.path(`share/vulkan/icd.d/${name}`), '{}');
  });

  const nowhere = {XDG_CONFIG_HOME: '/nowhere', XDG_CONFIG_DIRS: '/nowhere', XDG_DATA_HOME: '/nowhere'};

  it('looks where the loader looks', () => {
    const found = vulkanDrivers({...nowhere, XDG_DATA_DIRS: `/nowhere:${temp.path('share')}`});
    expect(found).toContain(temp.path('share/vulkan/icd.d/a.json'));
    expect(found.some((path) => path.endsWith('.txt'))).toBe(false);
  });

  it('takes what the environment names in place of all others, or besides', () => {
    const env = {...nowhere, XDG_DATA_DIRS: temp.path('share')};
    expect(vulkanDrivers({...env, VK_DRIVER_FILES: '/x.json:/y.json', VK_ICD_FILENAMES: '/z.json'})).toEqual([
      '/x.json',
      '/y.json',
    ]);
    expect(vulkanDrivers({...env, VK_ADD_DRIVER_FILES: '/x.json'}).slice(0, 2)).toEqual([
      '/x.json',
      temp.path('share/vulkan/icd.d/a.json'),
    ]);
  });
});

describe('choosing a device', () => {
  it.each(['native', 'wasm', 'cpu', 'tensorflow'])('is not for %s', async (engine) => {
    const asked = useEngine({engine, device: '0'});
    await expect(asked).rejects.toThrow(UsageError);
    await expect(asked).rejects.toThrow(`engine ${engine} takes no device ("0"), only webgpu does`);
  });
});

describe.runIf(hasSwiftShader)(`engine webgpu on SwiftShader${WITHOUT_SWIFTSHADER}`, () => {
  beforeAll(useSwiftShader);

  it('is never taken by itself, being no GPU', async () => {
    const engine = await useEngine();
    expect(engine.name).toBe('native');
    expect(engine.why).toMatch(/without tensorflow, webgpu$/);
  });

  it('names its adapter, and says that it is a program', async () => {
    for (const device of ['0', 'SWIFTshader', undefined]) {
      const engine = await useEngine({engine: device === undefined ? 'webgpu' : 'auto', device});
      expect(engine).toMatchObject({name: 'webgpu', hardware: 'cpu'});
      expect(engine.device).toMatch(/^SwiftShader Device .*, vulkan, SwiftShader driver .*, software$/);
      expect(engine.why).toMatch(/as asked; no GPU, but a program that plays one/);
    }
    const listed = (await listEngines()).find(({name}) => name === 'webgpu');
    expect(listed?.info?.device).toMatch(/^SwiftShader .*software$/);
  });

  it.each(['1', 'geforce'])('has no device %s, and lists those there are', async (device) => {
    const asked = useEngine({engine: 'webgpu', device});
    await expect(asked).rejects.toThrow(UsageError);
    await expect(asked).rejects.toThrow(`no GPU is called "${device}"; there are: 0 SwiftShader`);
  });

  it('does not keep what was read, so that an update in place is seen', async () => {
    await useEngine({engine: 'webgpu'});
    const x = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2, 3]]), tf.tensor2d([[2], [2], [2]])));
    expect([...(await x.data())]).toEqual([12]);
    const kept = (tf.backend() as unknown as {tensorMap: Map<object, {values: unknown}>}).tensorMap;
    expect(kept.get(x.dataId)?.values ?? null).toBeNull();
    expect([...(await x.data())]).toEqual([12]);
    x.dispose();
  });

  it('takes no more memory for tensors of ever other sizes', async () => {
    await useEngine({engine: 'webgpu'});
    const allocated = () =>
      (tf.memory() as unknown as {numBytesAllocatedInGPU: number}).numBytesAllocatedInGPU;
    const before = allocated();
    for (let i = 1; i <= 40; i++) {
      const y = tf.tidy(() => tf.sum(tf.add(tf.ones([1_000_000 + i * 4]), 1)));
      expect((await y.data())[0]).toBe(2 * (1_000_000 + i * 4));
      y.dispose();
    }
    expect(allocated() - before).toBeLessThan(40e6);
  });

  it('refuses a tensor larger than a binding, by its bytes', async () => {
    await useEngine({engine: 'webgpu'});
    const fill = () => tf.fill([1.5 * 2 ** 28], 1);
    expect(fill).toThrow(EngineError);
    expect(fill).toThrow(/takes tensors of at most 1074 MB, and one has 1611 MB; a smaller --batch-size/);
  });

  describe('in trouble', () => {
    const opened = async () => openBackend(await findAdapter());

    it('refuses a model that it has no room for, by its tensor or all in all', async () => {
      const {health} = await opened();
      const fitting = {name: 'h.0.weight', bytes: 4e6};
      requireFit(health, [fitting]);
      const large = () => requireFit(health, [fitting, {name: 'wte.weight', bytes: 2e9}]);
      expect(large).toThrow(EngineError);
      expect(large).toThrow(/^wte.weight has 2000 MB in float32, .* at most 1074 MB; --engine native/);
      await requireMemory(health, 4e6);
      // SwiftShader has no memory in one piece for the largest buffer that it allows.
      const much = requireMemory(health, 2 ** 31, 2 ** 30);
      await expect(much).rejects.toThrow(EngineError);
      await expect(much).rejects.toThrow(
        /^the weights take 2147 MB in float32, and SwiftShader .* not as much/,
      );
      // What was asked for is given back, and was no failure.
      await requireMemory(health, 4e6);
      health.check();
      health.device.destroy();
    });

    it('says how much memory was missing', async () => {
      const backend = await opened();
      const large = backend.makeTensorInfo([2 ** 28], 'float32');
      const small = backend.makeTensorInfo([4], 'float32');
      for (const {dataId} of [small, large]) backend.uploadToGPU(dataId);
      const read = backend.read(small.dataId);
      await expect(read).rejects.toThrow(EngineError);
      await expect(read).rejects.toThrow(
        /SwiftShader.*: no memory for 1074 MB more .* in use; a smaller --batch-size/,
      );
      expect(() => backend.uploadToGPU(backend.makeTensorInfo([4], 'float32').dataId)).toThrow(EngineError);
      backend.device.destroy();
    });

    it('says that the device is lost, also to who waits for it', async () => {
      const backend = await opened();
      const x = backend.makeTensorInfo([4], 'float32');
      backend.uploadToGPU(x.dataId);
      const waiting = backend.read(x.dataId);
      backend.device.destroy();
      await expect(waiting).rejects.toThrow(/the device was closed/);
      await expect(backend.read(x.dataId)).rejects.toThrow(EngineError);
    });

    it('says what the device refused', async () => {
      const backend = await opened();
      const x = backend.makeTensorInfo([4], 'float32');
      backend.uploadToGPU(x.dataId);
      backend.device.createShaderModule({code: 'no WGSL'});
      await expect(backend.read(x.dataId)).rejects.toThrow(/the device refused a call: /);
      backend.device.destroy();
    });
  });

  describe('on the command line', () => {
    const generate = (...more: string[]) => {
      const args = ['generate', `${FIXTURES}/gpt2-books`, '--prompt', 'It was', '--max-new-tokens', '1'];
      return cli([...args, ...more], {env: swiftShaderEnvironment()});
    };

    it('ends by itself, with a note that this is no GPU', async () => {
      const {code, stdout, stderr} = await generate('--engine', 'webgpu');
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(/^It was \w+/);
      expect(stderr).toMatch(/^engine webgpu \(SwiftShader .*no GPU, but a program/);
    });

    it('ends with 2 for a device that is not there', async () => {
      expectFailure(await generate('--device', 'geforce'), 2, /there are: 0 SwiftShader/);
    });
  });
});

import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, it} from 'vitest';
import {EngineError, listEngines, UsageError, useEngine} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';

describe('choosing an engine', () => {
  it('takes native by itself, and says in one line why', async () => {
    const engine = await useEngine();
    expect(engine.name).toBe('native');
    expect(engine.why).toMatch(/^engine native \(.*\): the best that runs here, without tensorflow, webgpu$/);
    expect(tf.getBackend()).toBe('native');
  });

  it('lists every engine with a device or a reason', async () => {
    const engines = await listEngines();
    expect(engines.map(({name}) => name)).toEqual(['tensorflow', 'webgpu', 'native', 'wasm', 'cpu']);
    for (const {info, reason} of engines) expect((info === null) !== (reason === null)).toBe(true);
    expect(engines.find(({name}) => name === 'cpu')?.info?.device).toMatch(/cores/);
  });

  it.each([
    [{engine: 'tensorflow'}, EngineError, /not set up; `ztt engines install tensorflow/],
    [{engine: 'warp'}, UsageError, /no engine "warp"; there are auto, tensorflow/],
    [{engine: 'wasm', threads: 4}, EngineError, /wasm runs on one thread/],
    [{threads: 0}, UsageError, /threads is 0/],
  ])('refuses %o', async (options, kind, message) => {
    await expect(useEngine(options)).rejects.toThrow(kind);
    await expect(useEngine(options)).rejects.toThrow(message);
  });
});

describe("wasm's matrix product", () => {
  it.each([
    [[5, 7], [7, 3], false, false],
    [[7, 5], [7, 3], true, false],
    [[5, 7], [3, 7], false, true],
    [[7, 5], [3, 7], true, true],
    [[2, 3, 5, 7], [2, 3, 7, 9], false, false],
    [[2, 3, 7, 5], [2, 3, 7, 9], true, false],
    [[2, 3, 5, 7], [2, 3, 9, 7], false, true],
    [[4, 1, 7], [4, 7, 1], false, false],
    [[4, 5, 7], [1, 7, 3], false, false],
  ])('%j by %j, transposed %s and %s, is as on cpu', async (shapeA, shapeB, transposeA, transposeB) => {
    const run = async (engine: string) => {
      await useEngine({engine});
      const product = tf.tidy(() => {
        const a = tf.randomUniform(shapeA, -1, 1, 'float32', 1);
        const b = tf.randomUniform(shapeB, -1, 1, 'float32', 2);
        return tf.matMul(a, b, transposeA, transposeB);
      });
      const values = await product.data();
      product.dispose();
      return {values, shape: product.shape};
    };
    const [cpu, wasm] = [await run('cpu'), await run('wasm')];
    expect(wasm.shape).toEqual(cpu.shape);
    expectClose(wasm.values, cpu.values, 1e-5);
    expect(cpu.values.some((value) => value !== 0)).toBe(true);
  });
});

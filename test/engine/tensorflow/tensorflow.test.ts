import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {EngineError, useEngine} from '../../../src/index.js';
import {describeFusedOperations} from '../../ops/as-composed.js';
import {TENSORFLOW, TENSORFLOW_HINT, setUpTensorflow} from '../../helpers/find-tensorflow.js';
import {trainSteps} from '../../helpers/train-steps.js';

describe.skipIf(!TENSORFLOW)(`the tensorflow engine${TENSORFLOW_HINT}`, () => {
  beforeAll(async () => {
    setUpTensorflow();
    // Tensors are made before an engine is chosen for them.
    await useEngine({engine: 'cpu'});
  });

  describeFusedOperations({engine: 'tensorflow', threads: 2});

  it('tells what it is', async () => {
    const engine = await useEngine({engine: 'tensorflow', threads: 2});
    expect(engine).toMatchObject({name: 'tensorflow', backend: 'tensorflow', threads: 2});
    expect(engine.version).toMatch(/^2\.\d+\.\d+.* \(tfjs-node@4\./);
    expect(engine.hardware).toBe(engine.device.endsWith('CUDA') ? 'gpu' : 'cpu');
    await expect(useEngine({engine: 'tensorflow', threads: 1})).rejects.toThrow(/loaded with 2 threads/);
  });

  it('computes with the one tfjs-core that there is', async () => {
    await useEngine({engine: 'cpu'});
    const x = tf.tensor2d([[1, 2]]);
    await useEngine({engine: 'tensorflow', threads: 2});
    const y = tf.matMul(x, tf.tensor2d([[3], [4]]));
    expect(y).toBeInstanceOf(tf.Tensor);
    expect([...y.dataSync()]).toEqual([11]);
    tf.dispose([x, y]);
  });

  it("trains to native's losses, and leaves nothing behind", async () => {
    const steps = 20;
    const native = await trainSteps('native', 2, steps);
    const {results, memory} = await trainSteps('tensorflow', 2, steps);
    for (const [i, {loss, gradNorm}] of native.results.entries()) {
      expect(Math.abs(results[i]!.loss / loss - 1), `loss of step ${i + 1}`).toBeLessThan(1e-3);
      expect(Math.abs(results[i]!.gradNorm / gradNorm - 1), `norm of step ${i + 1}`).toBeLessThan(1e-2);
    }
    expect(native.results.at(-1)!.loss).not.toBeCloseTo(native.results[0]!.loss, 1);
    for (const after of memory) expect(after).toEqual(memory[0]);
    // As on a GPU, which is not waited for: gradients are clipped by a number that only the device knows.
    const ahead = await trainSteps('tensorflow', 2, steps, true);
    for (const [i, {loss}] of ahead.results.entries()) expect(loss).toBeCloseTo(results[i]!.loss, 4);
    for (const after of ahead.memory) expect(after).toEqual(ahead.memory[0]);
  });

  it('tells in words when memory is out, and goes on', async () => {
    await useEngine({engine: 'tensorflow', threads: 2});
    const large = () => tf.fill([2 ** 20, 2 ** 22], 1);
    expect(large).toThrow(EngineError);
    expect(large).toThrow(
      /^engine tensorflow is out of memory on .*: a tensor \[1048576,4194304\] of 17592\.19 GB does not fit beside .* --batch-size/,
    );
    expect([...tf.fill([2], 1).dataSync()]).toEqual([1, 1]);
  });
});

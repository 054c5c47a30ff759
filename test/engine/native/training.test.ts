import {expect, it} from 'vitest';
import {trainSteps} from '../../helpers/train-steps.js';

it('takes the same steps on any number of threads, leaves nothing behind, and agrees with wasm', async () => {
  const one = await trainSteps('native', 1);
  const two = await trainSteps('native', 2);
  expect(two.results).toEqual(one.results);
  expect(two.weight).toEqual(one.weight);
  for (const after of one.memory) expect(after).toEqual(one.memory[0]);
  const wasm = await trainSteps('wasm', 1);
  for (const [i, {loss, gradNorm}] of wasm.results.entries()) {
    expect(one.results[i]!.loss).toBeCloseTo(loss, 3);
    expect(Math.abs(one.results[i]!.gradNorm / gradNorm - 1)).toBeLessThan(1e-3);
  }
  expect(one.results.at(-1)!.loss).not.toBeCloseTo(one.results[0]!.loss, 2);
});

import {Worker} from 'node:worker_threads';
import {expect, it} from 'vitest';
import {buildNative} from '../../../native/build.mjs';

/** Multiplies on all threads for a while; the addon is loaded by nobody else. */
const CODE = `
  const {parentPort, workerData} = require('node:worker_threads');
  const addon = require(workerData);
  const n = 200, x = new Float32Array(n * n).fill(1), y = new Float32Array(n * n).fill(2), z = new Float32Array(n * n);
  for (let i = 0; i < 50; i++) addon.matMul(1, false, false, n, n, n, x, 0, y, 0, z);
  parentPort.postMessage(z.every((value) => value === 2 * n));
`;

function multiplyInWorker(addon: string): Promise<[right: boolean, code: number]> {
  return new Promise((resolve, reject) => {
    let right = false;
    const worker = new Worker(CODE, {eval: true, workerData: addon});
    worker.on('message', (message: boolean) => (right = message));
    worker.on('error', reject);
    worker.on('exit', (code) => resolve([right, code]));
  });
}

// Node unloads an addon when the last worker that loaded it ends, and its threads must live on.
it('serves worker threads, together and one after the other', async () => {
  const built = await buildNative({quiet: true});
  if (!built.ok) throw new Error(built.reason);
  for (let round = 0; round < 3; round++) {
    const ended = await Promise.all([1, 2].map(() => multiplyInWorker(built.path)));
    expect(ended).toEqual([
      [true, 0],
      [true, 0],
    ]);
  }
});

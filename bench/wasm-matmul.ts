/**
 * The wasm backend's own matrix product against ours, in one run, at the shapes of a training step of the bundled
 * model (8 x 128 tokens, width 192, feed-forward 768, 3 heads): medians of alternating calls.
 *
 *   npx tsx bench/wasm-matmul.ts
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import {installFastMatMul} from '../src/engine/wasm-matmul.js';
import {table} from '../src/ui/index.js';

const ROUNDS = 15;

interface Case {
  name: string;
  a: number[];
  b: number[];
  transposeA: boolean;
  transposeB: boolean;
}

const CASES: Case[] = [
  {name: 'x W (forward)', a: [1024, 192], b: [192, 768], transposeA: false, transposeB: false},
  {name: 'dy Wᵀ (input gradient)', a: [1024, 768], b: [192, 768], transposeA: false, transposeB: true},
  {name: 'xᵀ dy (weight gradient)', a: [1024, 192], b: [1024, 768], transposeA: true, transposeB: false},
  {name: 'q kᵀ (24 heads)', a: [24, 128, 64], b: [24, 129, 64], transposeA: false, transposeB: true},
  {name: 'p v (24 heads)', a: [24, 128, 129], b: [24, 129, 64], transposeA: false, transposeB: false},
];

async function time(each: Case): Promise<number> {
  const a = tf.randomNormal(each.a);
  const b = tf.randomNormal(each.b);
  await Promise.all([a.data(), b.data()]);
  const begun = performance.now();
  const product = tf.matMul(a, b, each.transposeA, each.transposeB);
  await product.data();
  const seconds = (performance.now() - begun) / 1000;
  tf.dispose([a, b, product]);
  return seconds;
}

function gigaflops({a, b, transposeA, transposeB}: Case, seconds: number): number {
  const [M, K] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const N = transposeB ? b.at(-2)! : b.at(-1)!;
  const batch = a.length === 3 ? a[0]! : 1;
  return (2 * batch * M * K * N) / seconds / 1e9;
}

const median = (values: number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1]!;

tf.enableProdMode();
await tf.setBackend('wasm');
const original = tf.getKernel('BatchMatMul', 'wasm');
installFastMatMul();
const ours = tf.getKernel('BatchMatMul', 'wasm');
const use = (kernel: tf.KernelConfig) => {
  tf.unregisterKernel('BatchMatMul', 'wasm');
  tf.registerKernel(kernel);
};

const rows: string[][] = [];
for (const each of CASES) {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, kernel] of [original, ours].entries()) {
      use(kernel);
      times[i]!.push(await time(each));
    }
  }
  const [before, after] = times.map(median) as [number, number];
  rows.push([
    each.name,
    gigaflops(each, before).toFixed(1),
    gigaflops(each, after).toFixed(1),
    `${(before / after).toFixed(1)}x`,
  ]);
}
console.log(
  table(
    [
      {title: 'product'},
      {title: 'backend GFLOP/s', align: 'right'},
      {title: 'ours GFLOP/s', align: 'right'},
      {title: 'ratio', align: 'right'},
    ],
    rows,
  ),
);

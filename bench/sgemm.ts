/**
 * The engine's matrix products against PyTorch's, in one run on the same machine and threads: alternating calls of
 * two processes, of which one sleeps while the other works, and their medians.
 *
 *   npx tsx bench/sgemm.ts --python PATH [--threads N] [--rounds N] [--only WORD]
 *
 * PATH is a Python that has torch; without it only ours is timed. Other programs on the machine disturb both sides.
 */
import {spawn, type ChildProcess} from 'node:child_process';
import {availableParallelism} from 'node:os';
import {createInterface} from 'node:readline';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {buildNative} from '../native/build.mjs';
import {table} from '../src/ui/index.js';

interface Case {
  group: string;
  name: string;
  batch: number;
  /** True if A and B are stored transposed. */
  ta: boolean;
  tb: boolean;
  m: number;
  n: number;
  k: number;
}

const LINEAR = [
  [768, 2304],
  [768, 768],
  [768, 3072],
  [3072, 768],
] as const;

/** A linear layer from `k` to `n` over `m` tokens: forward, the weights' gradient, the input's gradient. */
function linear(m: number, k: number, n: number, group = ''): Case[] {
  const shape = `${k}x${n}, ${m} tokens`;
  return [
    {group: group || 'forward', name: `x W ${shape}`, batch: 1, ta: false, tb: false, m, n, k},
    {group: group || 'dW', name: `xᵀ dy ${shape}`, batch: 1, ta: true, tb: false, m: k, n, k: m},
    {group: group || 'dX', name: `dy Wᵀ ${shape}`, batch: 1, ta: false, tb: true, m, n: k, k: n},
  ];
}

/** The products of attention over `t` tokens of `heads` heads of size 64. */
function attention(heads: number, t: number): Case[] {
  const shape = `${heads} heads, ${t} tokens`;
  const product = {group: 'attention', batch: heads};
  return [
    {...product, name: `q kᵀ ${shape}`, ta: false, tb: true, m: t, n: t, k: 64},
    {...product, name: `p v ${shape}`, ta: false, tb: false, m: t, n: 64, k: t},
    {...product, name: `pᵀ do ${shape}`, ta: true, tb: false, m: t, n: 64, k: t},
  ];
}

/** The products of one generated token; reading the weights bounds their speed. */
function oneRow(k: number, n: number, tb = false): Case {
  return {group: 'one row', name: `one row, ${k}x${n}`, batch: 1, ta: false, tb, m: 1, n, k};
}

const CASES: Case[] = [
  ...[512, 1024, 2048].flatMap((m) => LINEAR.flatMap(([k, n]) => linear(m, k, n))),
  // The head's weights are the embedding, [vocabulary, width]: its forward product is the one with Wᵀ.
  ...linear(512, 50257, 768, 'head'),
  ...LINEAR.map(([k, n]) => oneRow(k, n)),
  oneRow(768, 50257, true),
  ...attention(48, 256),
  ...attention(12, 1024),
];

/** Groups that are not in the sum over linear layers. */
const APART = ['attention', 'one row'];

const {values: flags} = parseArgs({
  options: {
    python: {type: 'string'},
    threads: {type: 'string', default: String(availableParallelism())},
    rounds: {type: 'string', default: '21'},
    only: {type: 'string', default: ''},
  },
});

/** A process that times calls: see `serve_products` in native/test/timing.cc. */
class Timer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterableIterator<string>;

  constructor(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, {stdio: ['pipe', 'pipe', 'inherit'], env: {...process.env, ...env}});
    this.lines = createInterface({input: this.child.stdout!})[Symbol.asyncIterator]();
  }

  async ask(question: string): Promise<number> {
    this.child.stdin!.write(`${question}\n`);
    const answer = await this.lines.next();
    if (answer.done) throw new Error('the timed process has ended');
    return Number(answer.value);
  }

  end(): void {
    this.child.stdin!.end();
  }
}

const built = await buildNative({test: true});
if (!built.ok) throw new Error(built.reason);
const threads = Number(flags.threads);
const timers = [new Timer(built.path, ['serve'], {ZTT_TEST_THREADS: flags.threads})];
if (flags.python) timers.push(new Timer(flags.python, [`${import.meta.dirname}/sgemm.py`, flags.threads]));

const median = (values: number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1]!;
const groups = new Map<string, {flops: number; weighted: number}>();
const rows: string[][] = [];
for (const each of CASES.filter(({group, name}) => `${group} ${name}`.includes(flags.only))) {
  const {batch, ta, tb, m, n, k} = each;
  const flops = 2 * batch * m * n * k;
  const calls = Math.max(1, Math.round((2e9 * threads) / flops));
  for (const timer of timers) await timer.ask([batch, Number(ta), Number(tb), m, n, k].join(' '));
  const seconds: number[][] = timers.map(() => []);
  for (let round = 0; round < Number(flags.rounds); round++) {
    // Threads of the one that waits may still look for work for a moment; and each goes first half of the time.
    const order = round % 2 ? [...timers.keys()].reverse() : [...timers.keys()];
    for (const i of order) {
      await sleep(10);
      seconds[i]!.push((await timers[i]!.ask(`go ${calls}`)) / calls);
    }
  }
  const rates = seconds.map((list) => flops / median(list) / 1e9);
  const row = [each.name, ...rates.map((rate) => rate.toFixed(1))];
  if (timers.length === 2) {
    const ratio = median(seconds[0]!.map((ours, round) => seconds[1]![round]! / ours));
    row.push(ratio.toFixed(2));
    for (const group of APART.includes(each.group) ? [each.group] : [each.group, 'linear and head']) {
      const sum = groups.get(group) ?? {flops: 0, weighted: 0};
      groups.set(group, {flops: sum.flops + flops, weighted: sum.weighted + flops * ratio});
    }
  }
  rows.push(row);
  process.stderr.write(`${row.join('  ')}\n`);
}
for (const timer of timers) timer.end();

const names = ['product', 'ours, GFLOP/s', ...(timers.length === 2 ? ['PyTorch', 'ratio'] : [])];
console.log(
  table(
    names.map((title, i) => ({title, align: i === 0 ? 'left' : 'right'})),
    rows,
  ),
);
for (const [group, {flops, weighted}] of groups) {
  console.log(`${group}: ${(weighted / flops).toFixed(3)} of PyTorch, weighted by FLOPs, ${threads} threads`);
}

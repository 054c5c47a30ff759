/**
 * Tokens a second of greedy generation with GPT-2 small, with a KV cache, against Transformers' `generate` where a
 * Python with torch and transformers is given, and against computing each token anew. The processes take turns;
 * medians, and the median of the ratios turn by turn, also by processor time, which other programs at work disturb less.
 *
 *   npx tsx bench/generate.ts [--python PATH] [--engine native] [--threads N] [--rounds N] [--prompt N] [--tokens N]
 *
 * The checkpoint has random weights and lies in the system's temporary folder while this runs.
 */
import {mkdtemp, rm} from 'node:fs/promises';
import {availableParallelism, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {table} from '../src/ui/index.js';
import {GPT2, writeRandomSource} from './random-source.js';
import {median, Side} from './side.js';

const {values: flags} = parseArgs({
  options: {
    python: {type: 'string'},
    engine: {type: 'string', default: 'native'},
    threads: {type: 'string', default: String(availableParallelism())},
    rounds: {type: 'string', default: '5'},
    prompt: {type: 'string', default: '128'},
    tokens: {type: 'string', default: '64'},
  },
});
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const tokens = Number(flags.tokens);
/** Computing anew is slow; a token of it costs about the same each time. */
const FEW = 4;

const folder = await mkdtemp(join(tmpdir(), 'ztt-bench-'));
try {
  const source = join(folder, 'source');
  await writeRandomSource(source, GPT2);
  const worker = [...process.execArgv, here('./generate-worker.ts'), source, flags.engine, flags.threads];
  const ours = new Side('ours', process.execPath, worker);
  const python =
    flags.python && new Side('Transformers', flags.python, [here('./generate.py'), source, flags.threads]);
  const runs = [
    {title: 'ztt, with a KV cache', side: ours, ask: 'generate', tokens},
    {title: 'ztt, each token anew', side: ours, ask: 'anew', tokens: FEW},
    ...(python ? [{title: "Transformers' generate", side: python, ask: 'generate', tokens}] : []),
  ];
  const rates = runs.map((): number[] => []);
  const cpu = runs.map((): number[] => []);
  let alike = 0;
  for (let round = -1; round < Number(flags.rounds); round++) {
    const ids = Array.from(
      {length: Number(flags.prompt)},
      (_, i) => (i * 7919 + (round + 2) * 104_729) % 50_257,
    );
    const made: number[][] = [];
    // Each goes first some of the time; round -1 warms up.
    const order = [...runs.keys()].map((i) => (i + round + 1) % runs.length);
    for (const i of order) {
      const {side, ask, tokens} = runs[i]!;
      const answer = await side.ask({ask, ids, tokens});
      made[i] = answer.ids!;
      if (round < 0) continue;
      rates[i]!.push(tokens / answer.seconds!);
      cpu[i]!.push(tokens / answer.cpu!);
    }
    if (round >= 0 && made.every((ids) => ids.slice(0, FEW).join() === made[0]!.slice(0, FEW).join()))
      alike++;
  }
  ours.end();
  if (python) python.end();
  console.log(
    `GPT-2 small, ${flags.prompt} tokens and ${tokens} more; engine ${flags.engine}, ${flags.threads} threads; the same tokens in ${alike} of ${flags.rounds} rounds`,
  );
  const ratio = (of: number[][], i: number) =>
    i === 0 ? '' : median(of[i]!.map((rate, k) => of[0]![k]! / rate)).toFixed(2);
  const columns = ['', 'tokens/s', 'ztt: times', 'per processor second', 'ztt: times'];
  console.log(
    table(
      columns.map((title, i) => ({title, align: i === 0 ? ('left' as const) : ('right' as const)})),
      runs.map(({title}, i) => [
        title,
        median(rates[i]!).toFixed(1),
        ratio(rates, i),
        median(cpu[i]!).toFixed(1),
        ratio(cpu, i),
      ]),
    ),
  );
} finally {
  await rm(folder, {recursive: true, force: true});
}

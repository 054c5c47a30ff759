/**
 * New text to a token file, by threads, and the same text through Hugging Face's tokenizers in Python: MB a second, and
 * processor seconds. All take turns, with nothing cached; medians.
 *
 *   npm run build && npx tsx bench/tokenise.ts FILE [--tokenizer MODEL] [--python PATH] [--threads 2,4] [--rounds N]
 *
 * ztt reads the file twice (its hash, its text), encodes and writes; Python reads, encodes lines and drops their ids.
 */
import {spawnSync} from 'node:child_process';
import {mkdtemp, rm, stat} from 'node:fs/promises';
import {loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {cachedTokens} from '../src/data/token-cache.js';
import {Tokenizer} from '../src/tokenizer/index.js';
import {table} from '../src/ui/index.js';

const {values: flags, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    tokenizer: {type: 'string', default: 'fixtures/gpt2-books'},
    python: {type: 'string'},
    threads: {type: 'string', default: '2'},
    rounds: {type: 'string', default: '5'},
  },
});
const path = positionals[0];
if (path === undefined) throw new Error('name a text file');

interface Run {
  seconds: number;
  /** Processor seconds of all threads. */
  processor: number;
  tokens: number;
}

const tokenizer = await Tokenizer.load(flags.tokenizer);

async function ours(threads: number): Promise<Run> {
  const cache = await mkdtemp(join(tmpdir(), 'ztt-bench-'));
  try {
    // New each time, as it keeps words.
    const own = Tokenizer.of(tokenizer.spec);
    const began = performance.now();
    const used = process.cpuUsage();
    const file = await cachedTokens('text', [{path: path!}], {
      tokenizer: own,
      separator: null,
      cache,
      threads,
    });
    const {user, system} = process.cpuUsage(used);
    const seconds = (performance.now() - began) / 1000;
    await file.close();
    return {seconds, processor: (user + system) / 1e6, tokens: file.tokens};
  } finally {
    await rm(cache, {recursive: true});
  }
}

function python(): Run {
  const script = fileURLToPath(new URL('tokenise.py', import.meta.url));
  const {stdout, stderr, status} = spawnSync(
    flags.python!,
    [script, join(flags.tokenizer, 'tokenizer.json'), path!],
    {encoding: 'utf8'},
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Run;
}

const threads = flags.threads.split(',').map(Number);
const RUNS: [name: string, run: () => Run | Promise<Run>][] = [
  ['ztt, one thread', () => ours(1)],
  ...threads.map((count): [string, () => Promise<Run>] => [`ztt, ${count} threads`, () => ours(count)]),
  ...(flags.python ? [['tokenizers (Python), encode_batch', python] as [string, () => Run]] : []),
];

const median = (values: number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1]!;

const {size} = await stat(path);
const runs = RUNS.map((): Run[] => []);
for (let round = 0; round < Number(flags.rounds); round++) {
  for (const [i, [, run]] of RUNS.entries()) runs[i]!.push(await run());
}
console.log(`${path}: ${(size / 1e6).toFixed(1)} MB, load ${loadavg()[0]!.toFixed(1)}`);
console.log(
  table(
    [
      {title: ''},
      {title: 'MB/s', align: 'right'},
      {title: 'processor s', align: 'right'},
      {title: 'tokens', align: 'right'},
    ],
    RUNS.map(([name], i) => [
      name,
      (size / 1e6 / median(runs[i]!.map(({seconds}) => seconds))).toFixed(1),
      median(runs[i]!.map(({processor}) => processor)).toFixed(2),
      String(runs[i]![0]!.tokens),
    ]),
  ),
);

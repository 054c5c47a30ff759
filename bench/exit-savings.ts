/**
 * Measures how much FLOPs, processor time and wall time each threshold saves, in batches and one question at a time. Each
 * threshold takes turns with full depth; the bench prints the median saving of a turn.
 *
 *   npx tsx bench/exit-savings.ts --model DIR --data DIR [--task piqa] [--limit 64] [--thresholds 0.3,0.1] [--turns 9] [--threads 2]
 *
 * The model has zero tokens; the folder of --data has TASK.jsonl.
 */
import {availableParallelism} from 'node:os';
import {parseArgs} from 'node:util';
import {openTask, prepareTask, taskGroups} from '../src/eval/index.js';
import {scoreGroups} from '../src/score/index.js';
import {load} from '../src/index.js';
import {Tokenizer} from '../src/tokenizer/index.js';
import {table} from '../src/ui/index.js';
import {median} from './side.js';

const {values: flags} = parseArgs({
  options: {
    model: {type: 'string'},
    data: {type: 'string'},
    task: {type: 'string', default: 'piqa'},
    limit: {type: 'string', default: '64'},
    thresholds: {type: 'string', default: '0.3,0.1,0.001'},
    turns: {type: 'string', default: '25'},
    threads: {type: 'string', default: String(availableParallelism())},
    tokenizer: {type: 'string'},
  },
});
if (!flags.model || !flags.data) throw new Error('give --model and --data');
const tokenizer = await Tokenizer.load(flags.tokenizer ?? flags.model);
const model = await load(flags.model, {engine: 'native', threads: Number(flags.threads)});
const task = await openTask(flags.task, {dataFolder: flags.data, limit: Number(flags.limit)});
const groups = taskGroups(prepareTask(task, tokenizer, model));

interface Cost {
  seconds: number;
  cpu: number;
  flops: number;
}

async function run(threshold: number, batchTokens?: number): Promise<Cost> {
  const before = process.cpuUsage();
  const {results, seconds} = await scoreGroups(model, groups, {threshold, batchTokens});
  const {user, system} = process.cpuUsage(before);
  return {
    seconds,
    cpu: (user + system) / 1e6,
    flops: results.flat().reduce((sum, {flops}) => sum + flops, 0),
  };
}

const rows: string[][] = [];
for (const threshold of flags.thresholds.split(',').map(Number)) {
  for (const [how, batchTokens] of [
    ['batched', undefined],
    ['alone', 1],
  ] as const) {
    const [full, early]: [Cost[], Cost[]] = [[], []];
    for (let turn = -1; turn < Number(flags.turns); turn++) {
      const [a, b] = [await run(1, batchTokens), await run(threshold, batchTokens)];
      // The first turn warms up.
      if (turn >= 0) [full, early].forEach((list, i) => list.push([a, b][i]!));
    }
    // The turns of a pair are neighbours in time, so that a machine that slows down slows both.
    const saved = (key: keyof Cost) => 1 - median(full.map((cost, i) => early[i]![key] / cost[key]));
    const share = (value: number) => `${(100 * value).toFixed(1)} %`;
    rows.push([
      String(threshold),
      how,
      share(saved('flops')),
      share(saved('cpu')),
      share(saved('seconds')),
      (saved('cpu') / saved('flops')).toFixed(2),
      (saved('seconds') / saved('flops')).toFixed(2),
      `${((1000 * median(full.map(({seconds}) => seconds))) / groups.length).toFixed(2)} ms`,
    ]);
  }
}
model.dispose();
const titles = [
  'threshold',
  'questions',
  'FLOPs',
  'processor',
  'time',
  'processor/FLOPs',
  'time/FLOPs',
  'at full depth',
];
console.log(
  table(
    titles.map((title) => ({title, align: 'right'})),
    rows,
  ),
);

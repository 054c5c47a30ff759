import {readFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import type {EvalReport} from '../../src/eval/index.js';
import {convert, type Calibration} from '../../src/index.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const BOOKS = join(FIXTURES, 'gpt2-books');
const BOOKS_TEXT = join(FIXTURES, 'books_train.txt');
const TASK = join(FIXTURES, 'eval', 'choices.jsonl');

const temp = sharedTempFolder();
let model: string;
beforeAll(async () => {
  model = temp.path('ztt');
  await convert({source: BOOKS, output: model, cycles: 2, seed: 1});
});

const configOf = (folder: string): string => readFileSync(join(folder, 'config.json'), 'utf8');

/** A failure's last line alone: which engine runs is told before. */
const refusal = async (args: string[]) => {
  const result = await cli(args);
  return {...result, stderr: `${result.stderr.trim().split('\n').at(-1)}\n`};
};

it('ztt calibrate stores a threshold by which eval and generate then run, and a budget has it', async () => {
  const own = temp.path('calibrated');
  await convert({source: BOOKS, output: own, cycles: 2, seed: 1});
  const {stdout} = await cliOk(['calibrate', own, '--tasks', TASK, '--limit', '8', '--budget', '1.3']);
  expect(stdout).toMatch(/^ *threshold +accuracy +FLOPs of source +slots$/m);
  expect(stdout).toMatch(/^ *\* [\d.]+ /m);
  expect(stdout).toMatch(/chosen on +choices \(8 rows, /);
  const {ztt} = JSON.parse(configOf(own)) as {ztt: {threshold: number; calibration: Calibration}};
  expect(ztt.calibration).toMatchObject({target: {budget: '1.3'}, threshold: ztt.threshold});
  expect(ztt.threshold).toBeLessThan(1);
  expect(
    ztt.calibration.points.find(({threshold}) => threshold === ztt.threshold)!.flops_ratio.value,
  ).toBeLessThan(1.3);
  const run = ['eval', own, '--tasks', TASK, '--limit', '4', '--time', '0', '--budget', '1.3'];
  const report = await cliJson<EvalReport>(run);
  expect(report.ztt.budgets).toMatchObject([{budget: '1.3', unit: 'source', threshold: ztt.threshold}]);
  expect(report.ztt.budgets[0]!.achieved).toBe(report.ztt.thresholds[0]!.flops_ratio_to_source);
  expect(report.ztt.calibration).toEqual([]);
  expectFailure(
    await refusal(['generate', own, '--prompt', 'x', '--budget', '1.3']),
    2,
    /budget 1\.3: its calibration is for whole sequences; make one for tokens with ztt calibrate MODEL --exit-granularity token/,
  );
});

it('ztt calibrate --max-drop says what it would print as JSON, and ztt generate takes a budget from one by token', async () => {
  const own = temp.path('by-token');
  await convert({source: BOOKS, output: own, cycles: 2, seed: 1});
  const flags = ['--tasks', TASK, '--limit', '2', '--max-drop', '50pt', '--exit-granularity', 'token'];
  const made = await cliJson<Calibration>(['calibrate', own, ...flags]);
  expect(made).toMatchObject({target: {max_drop: 0.5}, exit_granularity: 'token'});
  const costs = made.points.map(({flops_per_token: flops}) => flops);
  const budget = `${((Math.max(...costs) + Math.min(...costs)) / 2e6).toFixed(3)}M`;
  const words = ['generate', own, '--prompt', 'It is', '--max-new-tokens', '2', '--json'];
  const [by, at] = [
    await cliOk([...words, '--budget', budget]),
    await cliOk([
      ...words,
      '--threshold',
      String(
        made.points.find((point) => point.flops_per_token <= Number.parseFloat(budget) * 1e6)!.threshold,
      ),
    ]),
  ];
  const ran = ({stdout}: {stdout: string}) => JSON.parse(stdout) as {slots: number[]; ids: number[]};
  expect([ran(by).slots, ran(by).ids]).toEqual([ran(at).slots, ran(at).ids]);
});

it('ztt eval --budget chooses on rows that it does not measure on, and tells both costs', async () => {
  const flags = ['--tasks', TASK, '--limit', '4', '--calibration-limit', '4', '--time', '0'];
  const {stdout} = await cliOk(['eval', model, ...flags, '--budget', '1.2,1.5']);
  const table = stdout.split('\n').slice(stdout.split('\n').findIndex((line) => line.startsWith('budget')));
  expect(table[0]).toMatch(/^budget +threshold +where chosen +here$/);
  expect(table.slice(1, 3).map((line) => line.split(/ +/)[0])).toEqual(['1.2', '1.5']);
});

it('ztt eval and ztt generate take thresholds for single slots', async () => {
  const flags = ['--tasks', TASK, '--limit', '3', '--time', '0', '--slot-threshold', '7=0.000001'];
  const report = await cliJson<EvalReport>(['eval', model, ...flags]);
  expect(report.ztt.slot_thresholds).toEqual({7: 0.000001});
  expect(Object.keys(report.ztt.thresholds[0]!.exits_by_slot)).toEqual(['8']);
  const words = [
    'generate',
    model,
    '--prompt',
    'x',
    '--max-new-tokens',
    '2',
    '--slot-threshold',
    '9=0.000001',
  ];
  expect((await cliJson<{slots: number[]}>(words)).slots).toEqual([10, 10]);
});

describe('refused, with nothing changed:', () => {
  const unreachable =
    /no threshold reaches a budget of 0\.500; thresholds reach from 1\.\d+ to 1\.\d+\. --exit-from-cycle 1 /;
  const small = ['--tasks', TASK, '--limit', '2', '--calibration-limit', '2'];
  const cases: [string, () => string[], number, RegExp][] = [
    [
      'a budget below what can be, in eval',
      () => ['eval', model, ...small, '--budget', '0.5'],
      2,
      unreachable,
    ],
    [
      'one below, in calibrate',
      () => ['calibrate', model, ...small.slice(0, 4), '--budget', '0.5'],
      2,
      /no threshold reaches a budget of 0\.500; thresholds reach from/,
    ],
    [
      'one above',
      () => ['calibrate', model, ...small.slice(0, 4), '--budget', '9G'],
      2,
      /no threshold reaches a budget of 9000M; thresholds reach from [\d.]+M to/,
    ],
    [
      'a budget that is none',
      () => ['eval', model, '--tasks', TASK, '--budget', 'much'],
      2,
      /budget "much" cannot be; it is a number of times/,
    ],
    [
      'neither a drop nor a budget',
      () => ['calibrate', model, '--tasks', TASK],
      2,
      /give either a largest drop or a budget/,
    ],
    [
      'both',
      () => ['calibrate', model, '--tasks', TASK, '--max-drop', '1pt', '--budget', '1.2'],
      2,
      /give either a largest drop or a budget/,
    ],
    [
      'fitting exits without text',
      () => ['calibrate', model, '--fit-exits'],
      2,
      /fit-exits goes with data; give data too/,
    ],
    [
      'a price where no exits are fitted',
      () => ['calibrate', model, '--tasks', TASK, '--budget', '1.3', '--price', '0.1'],
      2,
      /price goes with fit-exits; give fit-exits too/,
    ],
    [
      'fitting exits beside the limit of a calibration',
      () => ['calibrate', model, '--fit-exits', '--data', BOOKS_TEXT, '--limit', '3'],
      2,
      /--limit.*--fit-exits|--fit-exits.*--limit/,
    ],
    [
      'too few rows to fit exits on',
      () => ['calibrate', model, '--fit-exits', '--data', BOOKS_TEXT, '--rows', '15'],
      2,
      /--rows is "15"; it must be a whole number from 16/,
    ],
    [
      'a drop that is none',
      () => ['calibrate', model, '--tasks', TASK, '--max-drop', '2'],
      2,
      /--max-drop is "2"; it must be points/,
    ],
    [
      'a model without zero tokens',
      () => ['eval', BOOKS, '--tasks', TASK, '--budget', '1.2'],
      2,
      /budget 1\.2 cannot be: layout vanilla has no zero tokens/,
    ],
    [
      'a plain checkpoint to calibrate',
      () => ['calibrate', BOOKS, '--tasks', TASK, '--budget', '1.2'],
      2,
      /calibration cannot be: layout vanilla has no zero tokens/,
    ],
    [
      'a model without a tokenizer',
      () => ['calibrate', join(ORACLE, 'gpt2'), '--tasks', TASK, '--budget', '1.2'],
      1,
      /gpt2 has no tokenizer/,
    ],
    [
      'documents with a drop',
      () => ['calibrate', model, '--tasks', temp.path('page.jsonl'), '--max-drop', '1pt'],
      2,
      /a drop in accuracy needs a task with questions/,
    ],
  ];
  it.each(cases)('%s', async (_, args, code, message) => {
    await writeFile(temp.path('page.jsonl'), '{"page": "It was a day."}\n{"page": "It rained."}\n');
    const before = configOf(model);
    expectFailure(await refusal(args()), code, message);
    expect(configOf(model)).toBe(before);
  });
});

import type {ChildProcess} from 'node:child_process';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {beforeAll, expect, it} from 'vitest';
import type {Comparison, TimedPlan} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makeTinySource} from '../helpers/tiny-model.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const SOURCE = join(FIXTURES, 'gpt2-books');

const temp = sharedTempFolder();
/** A comparison of the bundled model, and a short one of a model that trains in milliseconds. */
let [job, shortJob]: [string[], string[]] = [[], []];
beforeAll(async () => {
  await writeFile(
    temp.path('train.txt'),
    readFileSync(join(FIXTURES, 'books_train.txt'), 'utf8').slice(0, 40_000),
  );
  await makeTinySource(temp.path('tiny'));
  const shared = ['--data', temp.path('train.txt'), '--seeds', '1,2'];
  for (const axis of ['batch-size=2', 'seq-len=32', 'lr=1e-3']) shared.push('--axis', axis);
  shared.push('--threshold', '0.3', '--learn-threshold', '0.1', '--save-every', '5', '--jobs', '2');
  job = ['compare', SOURCE, '--layouts', 'htc,ztt', ...shared];
  shortJob = ['compare', temp.path('tiny'), '--layouts', 'ztt', '--steps', '30', ...shared];
});

/** Training steps that all runs of a comparison have logged. */
function stepsLogged(output: string): number {
  const cells = join(output, 'cells');
  const logs = existsSync(cells)
    ? readdirSync(cells).map((name) => join(cells, name, 'run', 'metrics.jsonl'))
    : [];
  return logs
    .filter((path) => existsSync(path))
    .reduce((sum, path) => sum + readFileSync(path, 'utf8').split('"grad_norm"').length - 1, 0);
}

/** Sends a signal to the command alone, once so many steps are logged. */
const signalling = (signal: NodeJS.Signals, output: string, steps: number) => ({
  onStart: (child: ChildProcess) =>
    void (async () => {
      while (stepsLogged(output) < steps && child.exitCode === null) await sleep(5);
      child.kill(signal);
    })(),
});

const resultsOf = (output: string) =>
  JSON.parse(readFileSync(join(output, 'comparison.json'), 'utf8')) as Comparison;

it('ztt compare goes on after a Ctrl-C and after kills, and gives the same table', async () => {
  const [output, straight] = [temp.path('stopped'), temp.path('straight')];
  const whole = await cliOk([...shortJob, '--output', straight]);
  const going = [...shortJob, '--output', output];
  const stopped = await cli(going, signalling('SIGINT', output, 7));
  expect(stopped.code, stopped.stderr).toBe(130);
  const last = stopped.stderr.trim().split('\n').at(-1);
  expect(last).toBe('Error: the comparison was stopped; the same command goes on with it.');
  for (const more of [15, 30]) {
    const killed = await cli(going, signalling('SIGKILL', output, stepsLogged(output) + more));
    expect(killed.code).toBeNull();
    // What it had started ends by itself.
    await sleep(500);
  }
  const end = await cliOk(going);
  expect({...resultsOf(output), output: ''}).toEqual({...resultsOf(straight), output: ''});
  expect(end.stdout).toBe(whole.stdout);
  // No step was done again but those after a checkpoint.
  expect(stepsLogged(output)).toBe(stepsLogged(straight));
});

it('ztt compare plans without writing', async () => {
  const output = temp.path('planned');
  const planning = [...job, '--train-flops', '1e12', '--output', output, '--dry-run'];
  const {stdout} = await cliOk(planning);
  expect(stdout).toMatch(
    /^6 of 6 to train, 2 at a time with \d+ threads each: 5\.\d+ TFLOPs, about .* here/m,
  );
  const plan = await cliJson<TimedPlan>(planning);
  const stepsOf = (layout: string) => plan.runs.find(({name}) => name === `${layout}, seed 1`)!.train.steps;
  // The same FLOPs are more steps of a model that runs fewer slots.
  expect(stepsOf('vanilla')).toBeGreaterThan(1.5 * stepsOf('htc'));
  for (const {takes} of plan.runs) {
    expect(takes.flops).toBeLessThanOrEqual(1e12);
    expect(takes.flops + takes.flopsPerStep).toBeGreaterThan(1e12);
  }
  expect(existsSync(output)).toBe(false);
});

it.each([
  ['no budget', [], 2, /Exactly one of the following must be provided: --steps/],
  ['two budgets', ['--steps', '3', '--train-tokens', '100'], 2, /cannot also be provided/],
  [
    'a budget of less than a step',
    ['--train-flops', '1e6'],
    2,
    /vanilla: train flops is 1000000, but one step takes/,
  ],
  ['an unknown axis', ['--steps', '3', '--axis', 'depth=2'], 2, /there is no axis depth; there are cycles/],
  ['an axis given twice', ['--steps', '3', '--axis', 'lr=1e-4'], 2, /axis lr is given twice/],
  [
    'a value that a conversion refuses',
    ['--steps', '3', '--axis', 'zero-init=hot'],
    2,
    /axis zero-init is hot; it must be one of normal, zeros, aligned/,
  ],
  [
    'a value that training refuses',
    ['--steps', '3', '--axis', 'clip-norm=-1'],
    2,
    /axis clip-norm is "-1"; it must be a number from 0/,
  ],
  [
    'ways to score without tasks',
    ['--steps', '3', '--axis', 'max-cycles=1'],
    2,
    /axis max-cycles is about how tasks/,
  ],
  ['a task that is none', ['--steps', '3', '--tasks', 'nothing'], 2, /there is no task nothing/],
])('ztt compare refuses %s', async (_, flags, code, message) => {
  const output = temp.path('refused');
  expectFailure(await cli([...job, ...flags, '--output', output]), code, message);
  expect(existsSync(output)).toBe(false);
});

it('ztt compare refuses a file as its folder', async () => {
  const result = await cli([...job, '--steps', '3', '--output', temp.path('train.txt')]);
  expectFailure(result, 1, /train\.txt is a file; name another output folder/);
});

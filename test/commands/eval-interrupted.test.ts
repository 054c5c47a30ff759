import type {ChildProcess} from 'node:child_process';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {beforeAll, expect, it} from 'vitest';
import {convert} from '../../src/index.js';
import type {EvalReport} from '../../src/eval/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {cli, cliOk, expectFailure} from './cli.js';

const temp = sharedTempFolder();
let job: string[];
beforeAll(async () => {
  await convert({source: join(FIXTURES, 'gpt2-books'), output: temp.path('ztt')});
  const tasks = ['choices', 'last_words'].map((name) => join(FIXTURES, 'eval', `${name}.jsonl`));
  const pages = temp.path('pages.jsonl');
  await writeFile(pages, JSON.stringify({page: 'It was a bright day in the little town. '.repeat(20)}));
  job = ['eval', temp.path('ztt'), '--tasks', [...tasks, pages].join(), '--threshold', '0.02,0.1,1'];
  job.push('--time', '0', '--limit', '8', '--threads', '1');
});

const folderOf = (output: string) => {
  const [only] = existsSync(output) ? readdirSync(output) : [];
  return join(output, only ?? 'none');
};

/** How many batches an evaluation into this folder has kept. */
const kept = (output: string): number => {
  const path = join(folderOf(output), '.unfinished.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').split('"key"').length - 1 : 0;
};

/** Sends a signal once another batch is kept. */
const signalling = (signal: NodeJS.Signals, output: string) => ({
  onStart: (child: ChildProcess) =>
    void (async () => {
      const before = kept(output);
      while (kept(output) === before && child.exitCode === null) await sleep(2);
      child.kill(signal);
    })(),
});

function results(output: string) {
  const folder = folderOf(output);
  const names = readdirSync(folder).sort();
  expect(names.map((name) => name.replace(/_.*\./, '.'))).toEqual(['report.html', 'results.json']);
  const text = readFileSync(join(folder, names[1]!), 'utf8');
  return {...(JSON.parse(text) as EvalReport), date: 0, total_evaluation_time_seconds: ''};
}

it('ztt eval goes on after a Ctrl-C and after a kill, with the results of a run in one go', async () => {
  const [output, straight] = [temp.path('results'), temp.path('straight')];
  await cliOk([...job, '--output', straight]);
  const going = [...job, '--output', output];
  const stopped = await cli(going, signalling('SIGINT', output));
  const last = stopped.stderr.trim().split('\n').at(-1)!;
  expectFailure({...stopped, stderr: `${last}\n`}, 130, /stopped; .* the same command goes on from here\.$/m);
  const killed = await cli(going, signalling('SIGKILL', output));
  expect(killed.code).toBeNull();
  const {stderr} = await cliOk(going);
  expect(stderr).toMatch(/^Going on with an interrupted evaluation: \d+ batches are scored\.$/m);
  expect(results(output)).toEqual(results(straight));
});

it('ztt eval says that it starts anew, of another evaluation than the one that was stopped', async () => {
  const output = temp.path('anew');
  await cli([...job, '--output', output], signalling('SIGKILL', output));
  expect(readdirSync(folderOf(output))).toEqual(['.unfinished.jsonl']);
  const {stderr} = await cliOk([...job, '--exit-from-cycle', '1', '--output', output]);
  expect(stderr).toMatch(/^An interrupted evaluation lies there of another model, other tasks or flags; /m);
  expect(stderr).not.toContain('Going on');
  results(output);
});

import {existsSync} from 'node:fs';
import {mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {beforeAll, describe, expect, it} from 'vitest';
import {readMetrics, type FinetuneReport, type RunPlan} from '../../src/index.js';
import {FASTEST} from '../helpers/engine.js';
import {FULL} from '../helpers/matrix.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makeTinyModel} from '../helpers/tiny-model.js';
import {mountTmpfs} from '../helpers/tmpfs.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

/** How often a run is killed. */
const KILLS = FULL ? 20 : 2;

const temp = sharedTempFolder();
/** Runs must be bit-identical there. */
const engine = FASTEST;
let job: string[];
/** The job, but for what is set: its sizes and steps. */
let plainJob: string[];

beforeAll(async () => {
  const text = await readFile(join(FIXTURES, 'books_train.txt'), 'utf8');
  await writeFile(temp.path('train.txt'), text.slice(0, 40_000));
  await makeTinyModel(temp.path('model'));
  plainJob = ['finetune', temp.path('model'), '--data', temp.path('train.txt'), '--engine', engine];
  job = plainJob.concat(
    '--steps 40 --batch-size 2 --seq-len 32 --lr 1e-2 --save-every 3 --eval-every 5'.split(' '),
  );
});

const weights = (run: string) => readFile(join(run, 'model.safetensors'));

/** Runs the job uninterrupted, once. */
let whole: Promise<{weights: Buffer}> | undefined;
function wholeRun() {
  whole ??= (async () => {
    const output = temp.path('whole');
    await cliOk([...job, '--output', output]);
    return {weights: await weights(output)};
  })();
  return whole;
}

/** Calls back when metrics.jsonl has the step. */
async function afterStep(run: string, step: number, then: () => void): Promise<void> {
  for (;;) {
    const text = await readFile(join(run, 'metrics.jsonl'), 'utf8').catch(() => '');
    if (text.includes(`"step":${step},`)) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  then();
}

describe('a run from the command line', () => {
  it('takes its flags from a YAML file, over which the command line wins', async () => {
    const config = temp.path('config.yaml');
    await writeFile(
      config,
      `model: ${temp.path('model')}\ndata:\n  - ${temp.path('train.txt')}\nengine: ${engine}\n` +
        'steps: 3\nbatch-size: 2\nseq-len: 32\neval-every: 0\ncheckpoint-cycles: true\n',
    );
    const output = temp.path('from-yaml');
    const report = await cliJson<FinetuneReport>([
      'finetune',
      '--config',
      config,
      '-o',
      output,
      '--steps',
      '2',
      '--no-checkpoint-cycles',
    ]);
    expect(report).toMatchObject({steps: 2, trainedTokens: 2 * 2 * 32});
    const saved = await readFile(join(output, 'config.yaml'), 'utf8');
    expect(saved).toMatch(/^steps: 2$/m);
    expect(saved).not.toMatch(/^checkpoint-cycles: true$/m);
  });

  it('takes back the flags that a run wrote', async () => {
    const [first, again] = [temp.path('first'), temp.path('again')];
    const flags = ['--steps', '2', '--train', 'lora', '--tensorboard', '--lr-schedule', 'linear'];
    await cliOk([
      ...plainJob,
      ...flags,
      '--checkpoint-cycles',
      '--isolate-documents',
      '--threads',
      '1',
      '-o',
      first,
    ]);
    await cliOk(['finetune', '--config', join(first, 'config.yaml'), '-o', again]);
    const config = (run: string) => readFile(join(run, 'config.yaml'), 'utf8');
    expect(await config(again)).toBe(await config(first));
    expect((await weights(again)).equals(await weights(first))).toBe(true);
  });

  it.each([
    ['stepps: 3', 2, /config\.yaml: there is no flag "stepps"; the known ones are .*\bsteps\b/],
    ['steps: many', 2, /--steps is "many".*Flags were taken from .*config\.yaml as well/],
    ['steps: {a: 1}', 2, /config\.yaml: steps is \{"a":1\}; it must be a number or some text/],
    ['checkpoint-cycles: perhaps', 2, /checkpoint-cycles is "perhaps"; it must be true or false/],
    ['[1, 2]', 2, /must hold flags by name/],
    ['a: [', 2, /is no valid YAML/],
  ])('refuses a YAML file with %s', async (yaml, code, message) => {
    const config = temp.path('bad', 'config.yaml');
    await mkdir(temp.path('bad'), {recursive: true});
    await writeFile(config, `${yaml}\n`);
    const run = temp.path('bad', 'run');
    expectFailure(await cli([...plainJob, '-o', run, '--config', config]), code, message);
    expect(existsSync(run)).toBe(false);
  });

  it('refuses a YAML file that is not there', async () => {
    const missing = await cli([...job, '-o', temp.path('none'), '--config', temp.path('none.yaml')]);
    expectFailure(missing, 1, /none\.yaml cannot be read: no such file/);
  });

  it('tells what it would take, and does nothing', async () => {
    const output = temp.path('dry');
    const flags = ['--output', output, '--dry-run', '--batch-size', 'auto'];
    const plan = await cliJson<RunPlan>([...plainJob, ...flags]);
    expect(plan).toMatchObject({batchSize: 8, accumulate: 1, steps: 200, tokensPerStep: 512});
    const {stdout} = await cliOk([...plainJob, ...flags]);
    expect(stdout).toMatch(
      /parameters +76,496 trained of 76,496\n +memory +about .* native engine; .* are there\n/,
    );
    expect(existsSync(output)).toBe(false);
  });

  it('tells one line, and that it ended well, when it is resumed after its end', async () => {
    await wholeRun();
    const {stdout, stderr} = await cliOk(['finetune', '--output', temp.path('whole'), '--resume']);
    expect(stdout).toBe(`${temp.path('whole')} is finished already: there is nothing to resume.\n`);
    expect(stderr).toBe('');
  });

  it('ends at once at a second Ctrl-C, and does no harm', async () => {
    const output = temp.path('twice');
    const stopped = await cli([...job, '--output', output], {
      onStart: (child) =>
        void afterStep(output, 7, () => {
          child.kill('SIGINT');
          setImmediate(() => child.kill('SIGINT'));
        }),
    });
    expect(stopped.code).toBe(130);
    await cliOk(['finetune', '--output', output, '--resume']);
    expect((await weights(output)).equals((await wholeRun()).weights)).toBe(true);
  });

  it('finishes its step at Ctrl-C, and names the command that goes on', async () => {
    const output = temp.path('once');
    const stopped = await cli([...job, '--output', output], {
      onStart: (child) => void afterStep(output, 7, () => child.kill('SIGINT')),
    });
    expect(stopped.code).toBe(130);
    const command = /it is saved: `ztt (.*)` goes on\.\n$/.exec(stopped.stderr)?.[1];
    expect(command).toBe(`finetune --output ${output} --resume`);
    await cliOk(command!.split(' '));
    expect((await weights(output)).equals((await wholeRun()).weights)).toBe(true);
  });

  it(
    `gives the same weights bit for bit after kill -9 at ${KILLS} random moments`,
    async () => {
      const {weights: expected} = await wholeRun();
      const seed = Date.now() % 2 ** 31;
      const random = xoroshiro128plus(seed);
      let killed = 0;
      for (let i = 0; i < KILLS; i++) {
        const output = temp.path(`killed-${i}`);
        // Some time after some step: a step takes milliseconds, and so does writing a checkpoint. The first kill is
        // early, so that it meets a run that is not done.
        const step = Math.floor(uniformFloat64(random) * (i === 0 ? 20 : 40));
        const ms = uniformFloat64(random) * 100;
        const end = await cli([...job, '--output', output], {
          onStart: (child) => void afterStep(output, step, () => setTimeout(() => child.kill('SIGKILL'), ms)),
        });
        if (end.code === null) killed += 1;
        await cliOk([...job, '--output', output, '--resume']);
        const what = `seed ${seed}, kill ${i}, ${ms} ms after step ${step}`;
        expect((await weights(output)).equals(expected), what).toBe(true);
        const steps = (await readMetrics(output)).map(({step}) => step);
        expect(steps, what).toEqual(Array.from({length: 41}, (_, step) => step));
        await rm(output, {recursive: true});
      }
      expect(killed).toBeGreaterThan(0);
    },
    120_000 + KILLS * 120_000,
  );
});

/** Writes a file until the disk is full. */
const fill = (path: string): Promise<void> => writeFile(path, Buffer.alloc(5 << 20)).catch(() => {});

describe('a full disk', () => {
  it('leaves the last good checkpoint, from which the run goes on (skips where no tmpfs can be mounted)', async (test) => {
    const disk = temp.path('disk');
    // Room for the newest checkpoint, the best and one that is being written, of 1.3 MB each.
    const unmount = await mountTmpfs(disk, '5m');
    if (!unmount) return test.skip();
    try {
      const output = join(disk, 'run');
      const filler = join(disk, 'filler');
      const full = await cli([...job, '--output', output], {
        onStart: () => void afterStep(output, 8, () => void fill(filler)),
      });
      expectFailure(
        {...full, stderr: full.stderr.slice(full.stderr.indexOf('Error:')), stdout: ''},
        1,
        /the disk is full.* The last good checkpoint is .*step-\d+; then `ztt finetune --output .*--resume` goes on/,
      );
      const steps = await readdir(join(output, 'checkpoints'));
      expect(steps.filter((name) => /^step-\d+$/.test(name)).length).toBeGreaterThan(0);
      await rm(filler);
      await cliOk(['finetune', '--output', output, '--resume']);
      expect((await weights(output)).equals((await wholeRun()).weights)).toBe(true);
    } finally {
      unmount();
    }
  });
});

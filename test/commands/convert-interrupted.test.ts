import type {ChildProcess} from 'node:child_process';
import {randomFillSync} from 'node:crypto';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {mkdir, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {convert} from '../../src/index.js';
import {FULL} from '../helpers/matrix.js';
import {writeSparse} from '../helpers/sparse-checkpoint.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {sha256} from '../helpers/tensor-bytes.js';
import {mountTmpfs} from '../helpers/tmpfs.js';
import {cli, cliOk, expectFailure, type CliResult} from './cli.js';

/** How often a conversion is killed. */
const KILLS = FULL ? 50 : 4;

/** 42 MB in float32, so that a conversion takes a while. */
const CONFIG = {model_type: 'gpt2', vocab_size: 4096, n_positions: 64, n_embd: 384, n_layer: 5, n_head: 6};

const temp = sharedTempFolder();
let job: string[];
/** The sha256 of every file of the whole output. */
let whole: Record<string, string>;
/** From the first trace of a conversion to its end. */
let milliseconds: number;

beforeAll(async () => {
  await writeSparse(temp.path('source'), CONFIG, 'F32');
  fillWithNoise(temp.path('source', 'model.safetensors'));
  await convert({source: temp.path('source'), output: temp.path('reference'), maxShardBytes: 15e6});
  whole = hashes(temp.path('reference'));
  job = ['convert', temp.path('source'), '--output', output(), '--max-shard-size', '15MB'];
  await mkdir(temp.path('work'));
  const begun = trace();
  await cliOk(job);
  milliseconds = performance.now() - (await begun);
});
beforeEach(async () => {
  await rm(temp.path('work'), {recursive: true, force: true});
  await mkdir(temp.path('work'));
});

/** Random bytes in the place of a safetensors file's values. */
function fillWithNoise(path: string): void {
  const bytes = readFileSync(path);
  randomFillSync(bytes, 8 + Number(bytes.readBigUInt64LE()));
  writeFileSync(path, bytes);
}

const output = () => temp.path('work', 'out');
/** What lies where the output goes, hidden files too. */
const traces = () => readdirSync(temp.path('work'));
const hashes = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, sha256(readFileSync(join(folder, name)))]));

/** Resolves with the time at which a conversion leaves its first trace. */
async function trace(): Promise<number> {
  while (!traces().some((name) => name.endsWith('.partial'))) await sleep(1);
  return performance.now();
}

/** Sends a signal so many milliseconds after the first trace. */
const signalling = (signal: NodeJS.Signals, after: () => number) => ({
  onStart: (child: ChildProcess) =>
    void trace().then(async () => {
      await sleep(after());
      child.kill(signal);
    }),
});

/** Without the lines that tell of progress. */
const lastLine = (result: CliResult): CliResult => ({
  ...result,
  stderr: `${result.stderr.trimEnd().split('\n').at(-1)}\n`,
});

describe('a conversion that is killed', () => {
  it(
    `leaves nothing that a next run takes for whole, at ${KILLS} random moments`,
    async () => {
      const seed = Date.now() % 2 ** 31;
      const random = xoroshiro128plus(seed);
      let unfinished = 0;
      for (let i = 0; i < KILLS; i++) {
        await rm(temp.path('work'), {recursive: true});
        await mkdir(temp.path('work'));
        // Every other time there is an earlier output to replace.
        const replaces = i % 2 === 1;
        const old = replaces ? {source: temp.path('source'), output: output(), layout: 'bc' as const} : null;
        const before = old && (await convert(old), hashes(output()));
        // The first two kills are early, so that they meet a conversion that is not done.
        const after = uniformFloat64(random) * milliseconds * (i < 2 ? 0.5 : 1);
        const what = `seed ${seed}, kill ${i} after ${after} ms`;
        const flags = replaces ? ['--force'] : [];
        const killed = await cli(
          [...job, ...flags],
          signalling('SIGKILL', () => after),
        );
        if (killed.code === null && traces().some((name) => name.startsWith('.'))) unfinished += 1;
        if (existsSync(output())) {
          expect([before, whole], what).toContainEqual(hashes(output()));
        } else {
          expect(killed.code, what).toBe(null);
          // One that was moved aside comes back: a run without --force meets it.
          if (replaces) expectFailure(await cli(job), 1, /out is not empty/);
        }
        await cliOk([...job, '--force']);
        expect(traces(), what).toEqual(['out']);
        expect(hashes(output()), what).toEqual(whole);
      }
      expect(unfinished).toBeGreaterThan(0);
    },
    120_000 + KILLS * 30_000,
  );

  it('by Ctrl-C ends with 130 and leaves nothing', async () => {
    const stopped = await cli(
      job,
      signalling('SIGINT', () => 0),
    );
    expectFailure(lastLine(stopped), 130, /stopped; nothing was written\.$/m);
    expect(traces()).toEqual([]);
  });

  it('by Ctrl-C leaves an earlier output as it was', async () => {
    await convert({source: temp.path('source'), output: output(), layout: 'bc'});
    const before = hashes(output());
    const stopped = await cli(
      [...job, '--force'],
      signalling('SIGINT', () => milliseconds / 4),
    );
    expectFailure(lastLine(stopped), 130, /stopped; nothing was written\.$/m);
    expect(traces()).toEqual(['out']);
    expect(hashes(output())).toEqual(before);
  });
});

describe('a full disk', () => {
  it('is told before the work (skips where no tmpfs can be mounted)', async (test) => {
    const unmount = await mountTmpfs(temp.path('work'), '20m');
    if (!unmount) return test.skip();
    try {
      expectFailure(await cli(job), 1, /out needs 0\.04 GB, and its disk has 0\.02 GB free/);
      expect(traces()).toEqual([]);
    } finally {
      unmount();
    }
  });

  it('that fills up meanwhile leaves nothing, and an earlier output (skips where no tmpfs can be mounted)', async (test) => {
    const unmount = await mountTmpfs(temp.path('work'), '80m');
    if (!unmount) return test.skip();
    try {
      const options = {source: temp.path('source'), output: output()};
      await convert({...options, middleLayers: 1});
      const before = hashes(output());
      const filling = convert({
        ...options,
        force: true,
        onPhase: () => writeFileSync(temp.path('work', 'filler'), Buffer.alloc(20e6), {flag: 'a'}),
      });
      await expect(filling).rejects.toThrow(/out cannot be written: the disk is full\.$/);
      expect(traces().sort()).toEqual(['filler', 'out']);
      expect(hashes(output())).toEqual(before);
    } finally {
      unmount();
    }
  });

  it('of a limited file size ends in one line and leaves nothing', async () => {
    // In blocks of 512 or 1024 bytes, as the shell has it; a shard has 15 MB.
    const result = await cli(job, {ulimit: '-f 10000'});
    expectFailure(result, 1, /out cannot be written: a file would be larger than is allowed here\.$/m);
    expect(traces()).toEqual([]);
  });
});

import {appendFile, mkdir, readdir, readFile, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {
  FileError,
  finetune,
  InterruptedError,
  load,
  readMetrics,
  UsageError,
  ZttError,
} from '../../../src/index.js';
import type {FinetuneOptions} from '../../../src/index.js';
import {SafetensorsFile} from '../../../src/checkpoint/index.js';
import {MACHINE} from '../../../src/files/index.js';
import {measureHeldOut} from '../../../src/finetune/run/held-out.js';
import {afterEvaluation, afterStep, exploded, NEW_RECORD} from '../../../src/finetune/records/record.js';
import {RunFolder} from '../../../src/finetune/run/run-folder.js';
import {expectClose, expectNormClose} from '../../helpers/close.js';
import {FASTEST} from '../../helpers/engine.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {makeTinyModel} from '../../helpers/tiny-model.js';

const temp = sharedTempFolder();
let base: Omit<FinetuneOptions, 'output'>;

beforeAll(async () => {
  const text = await readFile(join(FIXTURES, 'books_train.txt'), 'utf8');
  await writeFile(temp.path('train.txt'), text.slice(0, 30_000));
  await makeTinyModel(temp.path('model'));
  base = {
    model: temp.path('model'),
    data: [temp.path('train.txt')],
    steps: 8,
    batchSize: 2,
    seqLen: 32,
    lr: 1e-2,
    warmup: 2,
    saveEvery: 2,
    evalEvery: 4,
    engine: FASTEST,
  };
});

const weights = (run: string) => readFile(join(run, 'model.safetensors'));
const checkpoints = async (run: string) => (await readdir(join(run, 'checkpoints'))).sort();

/** Runs until a step is done, then interrupts. */
async function interruptAfter(step: number, options: FinetuneOptions): Promise<InterruptedError> {
  const abort = new AbortController();
  const onStep = (metrics: {step: number}) => metrics.step === step && abort.abort();
  const error = await finetune({...options, signal: abort.signal, onStep}).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InterruptedError);
  return error as InterruptedError;
}

describe('the metrics of a run', () => {
  it('tell each step, and the held-out text at full depth and at thresholds', async () => {
    const output = temp.path('metrics');
    const plain = {...base, exitObjective: 'off'} as const;
    const report = await finetune({...plain, output, evalThresholds: [0.01, 0.5]});
    const lines = await readMetrics(output);
    expect(lines.map(({step}) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(lines.filter((line) => line.held_out).map(({step}) => step)).toEqual([0, 4, 8]);
    const {zero_attention: zero, exits, loss, blocks} = lines.at(-1)!.held_out!;
    expect(zero).toHaveLength(4);
    expect(zero.every((z) => z > 0 && z < 1)).toBe(true);
    expect(exits.map(({threshold}) => threshold)).toEqual([1, 0.01, 0.5]);
    expect(exits.map(({mean_slots: slots}) => slots)).toEqual([4, 3, 4]);
    expect(exits[0]!.exits_by_slot).toEqual({4: blocks});
    expect(exits[1]!.flops_per_token).toBeLessThan(exits[0]!.flops_per_token);
    // Where nothing exits, all is as at full depth.
    expect(exits[2]!.loss).toBe(exits[0]!.loss);
    expect(exits[2]!.flops_per_token).toBe(exits[0]!.flops_per_token);
    expect(loss).toBeLessThan(lines[0]!.held_out!.loss - 0.05);
    expect(report.best).toEqual({step: 8, loss});
    const flops = lines.slice(1).map((line) => line.flops!);
    expectClose(
      flops,
      flops.map((_, i) => flops[0]! * (i + 1)),
      1,
      'FLOPs',
    );
  });

  it('agree with the loss of the model that the run gives', async () => {
    const model = await load(temp.path('metrics'), {engine: FASTEST});
    const blocks = Array.from({length: 3}, (_, b) =>
      Array.from({length: 32}, (_, i) => (b * 97 + i * 31) % 4096),
    );
    const measured = await measureHeldOut(model, {ids: blocks}, {batchSize: 2, thresholds: []});
    expectClose([measured.loss], [await model.loss(blocks)], 1e-4, 'loss');
    model.dispose();
  });

  it('have no step twice after a kill, an interruption and a line cut in half', async () => {
    const [whole, broken] = [temp.path('metrics-whole'), temp.path('metrics-broken')];
    await finetune({...base, output: whole});
    await interruptAfter(5, {...base, output: broken});
    await appendFile(join(broken, 'metrics.jsonl'), '{"step":6,"loss":9}\n{"step":7,"lo');
    await finetune({...base, output: broken, resume: true});
    const [a, b] = await Promise.all([whole, broken].map((run) => readMetrics(run)));
    const untimed = (lines: typeof a) =>
      lines!.map((line) => ({
        ...line,
        tokens_per_second: 0,
        held_out: line.held_out && {...line.held_out, seconds: 0},
      }));
    expect(untimed(b)).toEqual(untimed(a));
    expect((await weights(broken)).equals(await weights(whole))).toBe(true);
  });
});

describe('checkpoints', () => {
  it('are the newest and the best', async () => {
    const output = temp.path('kept');
    // At this rate the loss rises from the start, so the first evaluation is the best.
    await finetune({
      ...base,
      output,
      lr: 1,
      warmup: 0,
      evalEvery: 1,
      clipNorm: 0,
    }).catch((error: unknown) => expect(error).toBeInstanceOf(ZttError));
    const lines = await readMetrics(output);
    const best = lines.slice(1).reduce((a, b) => (b.held_out!.loss < a.held_out!.loss ? b : a)).step;
    const newest = Math.max(...lines.map(({step}) => step).filter((step) => step % 2 === 0 || step === best));
    expect(new Set(await checkpoints(output))).toEqual(new Set([`step-${best}`, `step-${newest}`]));
  });

  it('are as many as asked for', async () => {
    const output = temp.path('keep-3');
    await finetune({...base, output, keep: 3, evalEvery: 0});
    expect(await checkpoints(output)).toEqual(['step-4', 'step-6', 'step-8']);
  });

  it('that were being written or removed at a kill are cleared away', async () => {
    const output = temp.path('cleared');
    await interruptAfter(5, {...base, output});
    const run = new RunFolder(output);
    const dead = `${MACHINE}-4194305-00000000.partial`;
    await writeFile(join(output, `.metrics.jsonl.${dead}`), '');
    await writeFile(join(output, 'book.partial'), 'not ztt’s');
    await mkdir(join(output, `checkpoints/.step-6.${dead}`));
    await writeFile(join(output, `checkpoints/.step-6.${dead}/model.safetensors`), 'half');
    await mkdir(join(output, 'checkpoints/.step-2.removed.partial'));
    await finetune({...base, output, resume: true});
    const left = (folder: string) =>
      readdir(folder).then((names) => names.filter((name) => name.includes('partial')));
    expect(await left(run.path)).toEqual(['book.partial']);
    expect(await left(join(run.path, 'checkpoints'))).toEqual([]);
  });

  it('are not looked for in a folder that is no run', async () => {
    const mine = temp.path('mine');
    await mkdir(join(mine, 'data.partial'), {recursive: true});
    const files = {
      'thesis.partial': 'thesis',
      'metrics.jsonl': '{"my":"log"}',
      'model.safetensors': 'weights',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(mine, name), text);
    const resumed = finetune({...base, output: mine, resume: true});
    await expect(resumed).rejects.toThrow(FileError);
    await expect(resumed).rejects.toThrow(
      /is no run that ztt can go on with: it holds .* no config\.yaml of a run/,
    );
    for (const [name, text] of Object.entries(files)) {
      expect(await readFile(join(mine, name), 'utf8')).toBe(text);
    }
    expect((await readdir(mine)).sort()).toEqual(['data.partial', ...Object.keys(files)].sort());
  });

  it.each(['checkpoints', 'tensorboard', 'metrics.jsonl', 'config.yaml'])(
    'are not followed out of a run by a link: %s',
    async (name) => {
      const output = temp.path(`linked-${name}`);
      await interruptAfter(2, {...base, output});
      await rm(join(output, name), {recursive: true, force: true});
      await symlink(temp.path('elsewhere'), join(output, name));
      await expect(finetune({...base, output, resume: true})).rejects.toThrow(
        new RegExp(`${name} in it is no .*, or a link`),
      );
      expect(await readdir(temp.path())).not.toContain('elsewhere');
    },
  );

  it('are not resumed from where their files are broken, which is said', async () => {
    const output = temp.path('torn');
    await interruptAfter(4, {...base, output});
    const file = join(output, 'checkpoints/step-4/optimizer.safetensors');
    await writeFile(file, (await readFile(file)).subarray(0, 1000));
    await expect(finetune({...base, output, resume: true})).rejects.toThrow(
      /optimizer\.safetensors.*truncated/,
    );
  });
});

describe('a run', () => {
  it('says how to go on after an interruption', async () => {
    const error = await interruptAfter(3, {...base, output: temp.path("it's")});
    expect(error.message).toMatch(
      /stopped after step 3 of 8; it is saved: `ztt finetune --output '.*it'\\''s' --resume`/,
    );
  });

  it('stops early, finishes with the best weights, and is finished then', async () => {
    const output = temp.path('early');
    const options = {...base, output, lr: 0.3, warmup: 0, evalEvery: 1, steps: 30, patience: 2};
    const report = await finetune(options);
    expect(report.stoppedEarlyAt).toBeLessThan(30);
    expect(report.stoppedEarlyAt).toBe(report.best!.step + 2);
    const best = join(output, 'checkpoints', `step-${report.best!.step}`);
    expect((await weights(output)).equals(await weights(best))).toBe(true);
    expect(await finetune({...options, resume: true})).toMatchObject({alreadyFinished: true});
  });

  it('ends at a loss that explodes, and names the checkpoint before', async () => {
    const output = temp.path('exploded');
    const options = {...base, output, lr: 1, warmup: 0, steps: 200, evalEvery: 0, clipNorm: 0};
    await expect(finetune(options)).rejects.toThrow(
      /step \d+: the loss (has exploded|is \S+ and).*The last good checkpoint is .*step-\d+; a new run can start/,
    );
  });

  it('writes its flags, and explains what differs when it is resumed', async () => {
    const output = temp.path('config');
    await interruptAfter(2, {...base, output});
    const config = parse(await readFile(join(output, 'config.yaml'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({model: base.model, data: base.data, steps: 8, 'batch-size': 2, seed: 0});
    expect(Object.keys(config)).not.toContain('output');
    const notes: string[] = [];
    await finetune({...base, output, resume: true, saveEvery: 4, onNote: (line) => notes.push(line)});
    expect(notes).toContain('save-every is 4 now; it was 2.');
  });

  it('casts the model at the end, and nothing else', async () => {
    const [whole, half] = [temp.path('float32'), temp.path('float16')];
    const options = {...base, steps: 2, evalEvery: 0};
    await finetune({...options, output: whole});
    await finetune({...options, output: half, dtype: 'float16'});
    const open = (path: string) => SafetensorsFile.open(join(path, 'model.safetensors'));
    const [full, cast, saved] = await Promise.all([whole, half, join(half, 'checkpoints/step-2')].map(open));
    for (const [name, {dtype}] of cast!.tensors) {
      expect(dtype, name).toBe(name === 'zero_tokens.key' ? 'F32' : 'F16');
      expect(saved!.tensors.get(name)!.dtype).toBe('F32');
      expectNormClose(await cast!.readFloat32(name), await full!.readFloat32(name), 1e-3, 1e-6, name);
    }
    await Promise.all([full, cast, saved].map((file) => file!.close()));
    const config = await readFile(join(half, 'config.json'), 'utf8');
    expect(JSON.parse(config)).toMatchObject({torch_dtype: 'float16'});
  });

  it('refuses patience without evaluations', async () => {
    const attempt = finetune({...base, output: temp.path('none'), evalEvery: 0, patience: 1});
    await expect(attempt).rejects.toThrow(UsageError);
  });
});

describe('the record', () => {
  it('tells an explosion from a spike', () => {
    let record = NEW_RECORD;
    for (const loss of [5, 4.5, 4, 12, 4, 4]) {
      record = afterStep(record, loss, 1);
      expect(exploded(record)).toBe(false);
    }
    for (let i = 0; i < 10; i++) record = afterStep(record, 12, 1);
    expect(exploded(record)).toBe(true);
    expect(record.flops).toBe(16);
  });

  it('counts evaluations since the best', () => {
    let record = NEW_RECORD;
    for (const [step, loss] of [5, 4, 4.5, 4].entries()) record = afterEvaluation(record, step, loss);
    expect(record).toMatchObject({best: {step: 1, loss: 4}, evaluations_since_best: 2});
  });
});

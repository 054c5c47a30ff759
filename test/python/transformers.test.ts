import {readdirSync, readFileSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {Trainer} from '../../src/finetune/step/trainer.js';
import {
  convert,
  generate,
  load,
  readModelConfig,
  revert,
  type BatchOptions,
  type Model,
} from '../../src/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {writeLoraModel} from '../helpers/lora-model.js';
import {cover} from '../helpers/matrix.js';
import {
  Expected,
  FIRST_CASES,
  FIXTURES,
  ORACLE,
  THRESHOLDS,
  VARIANTS,
  type Variant,
} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {tensorBytes} from '../helpers/tensor-bytes.js';
import {trainerSettings} from '../helpers/trainer-settings.js';
import {forwardHere, PYTHON, resultsOf, runInPython, type Forward, type Job, type PlainJob} from './jobs.js';

const WHY = PYTHON ? '' : ' (skipped: ZTT_TEST_PYTHON names no Python with torch and transformers)';
const ORACLE_CELLS = cover(FIRST_CASES, VARIANTS);
const FAMILIES = join(FIXTURES, 'families');
/** The models are tiny: threads would wait for each other. */
const ENGINE = {engine: 'native', threads: 1};
const GENERATED = 7;
const ADAMW = {lr: 3e-3, betas: [0.9, 0.95], epsilon: 1e-4, weightDecay: 0.1, clipNorm: 1} as const;

/** Exits in ways that the thresholds of whole sequences and of tokens do not show. */
const OTHER_EXITS: Record<string, BatchOptions> = {
  'from the first cycle': {threshold: 0.1, exitFromCycle: 1},
  'by the length-normalised score': {threshold: 0.5, exitScore: 'length-normalised', contextLength: 7},
  'by token and the length-normalised score': {
    threshold: 0.6,
    exitScore: 'length-normalised',
    exitGranularity: 'token',
    exitFromCycle: 1,
  },
  'by a threshold for each slot': {threshold: [1, 1, 1, 1, 1, 0.2, 0.05, 1], exitGranularity: 'token'},
  'after one cycle': {maxCycles: 1},
};

const temp = sharedTempFolder();
const jobs = new Map<string, Job>();

describe.skipIf(!PYTHON)(`Transformers, of the folders that ztt writes${WHY}`, () => {
  beforeAll(async () => {
    for (const {case: name, variants} of ORACLE_CELLS) {
      const ids = await idsOf(name);
      for (const variant of variants) jobs.set(`${name} ${variant}`, await oracleJob(name, variant, ids));
    }
    for (const name of readdirSync(FAMILIES)) {
      const [output, job] = [temp.path(`family-${name}`), `family ${name}`];
      await convert({source: join(FAMILIES, name), output, layout: 'ztt', cycles: 2, tail: 0});
      jobs.set(job, jobOf(output, [[5, 9, 3, 7, 11, 4, 6]]));
    }
    const targets = {gpt2: ['attn.c_attn', 'mlp.c_proj'], opt: ['self_attn.q_proj', 'fc1', 'fc2']};
    for (const per of ['shared', 'cycle'] as const) {
      for (const family of ['gpt2', 'opt'] as const) {
        const output = temp.path(`lora-${family}-${per}`);
        await writeLoraModel(family, output, {rank: 3, alpha: 6, per, targets: targets[family]});
        jobs.set(`lora ${family} ${per}`, jobOf(output, await idsOf(family), {train: true}));
      }
    }
    const plain = await Promise.all(['gpt2', 'opt'].map(revertedJob));
    await runInPython([...jobs.values(), ...plain], temp.path('jobs.json'));
  }, 600_000);

  const names = [
    ...ORACLE_CELLS.flatMap(({case: name, variants}) => variants.map((variant) => `${name} ${variant}`)),
    ...readdirSync(FAMILIES).map((name) => `family ${name}`),
    ...['gpt2', 'opt'].flatMap((family) => [`lora ${family} shared`, `lora ${family} cycle`]),
  ];

  it.each(['gpt2', 'opt'])('a reverted %s is one that Transformers knows, without code', async (name) => {
    const folder = temp.path(`${name}-reverted`);
    expect(readdirSync(folder).filter((file) => file.endsWith('.py'))).toEqual([]);
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).not.toHaveProperty('auto_map');
    const theirs = await resultsOf({results: `${folder}.results.safetensors`});
    const expected = await Expected.open(name);
    expectClose(theirs.get('logits')!, await expected.floats('vanilla.logits'), 1e-4, 'logit');
    await expected.close();
  });

  describe.each(names)('%s', (name) => {
    let job: Job;
    let model: Model;
    let theirs: Map<string, Float32Array>;
    beforeAll(async () => {
      job = jobs.get(name)!;
      theirs = await resultsOf(job);
      model = await load(job.folder, ENGINE);
    });
    afterAll(() => model.dispose());

    it('has our logits: at once, from a cache, padded on the left, with exits', async () => {
      for (const [what, call] of Object.entries(job.forward)) {
        const here = await forwardHere(model, call);
        expect([...theirs.get(`${what}.slots`)!], `slots, ${what}`).toEqual(here.slots);
        expectClose(theirs.get(`${what}.logits`)!, here.logits, 1e-4, `logit, ${what}`);
      }
    });

    it('has our zero attention', async () => {
      const {zeroAttention} = await model.logits(job.save.rows);
      if (zeroAttention === null) return;
      expectClose(theirs.get('observed.zero_attentions')!, zeroAttention, 1e-5, 'zero attention');
    });

    it('generates our tokens', async () => {
      for (const [what, {rows, options}] of Object.entries(job.generate)) {
        const all = [...theirs.get(`${what}.ids`)!];
        const width = all.length / rows.length;
        for (const [row, ids] of rows.entries()) {
          const here: number[] = [];
          for await (const {id} of generate(model, ids, {maxNewTokens: GENERATED, ...options})) here.push(id);
          const ended = here.length < GENERATED ? model.config.endTokenIds.slice(0, 1) : [];
          const own = all.slice(row * width, (row + 1) * width);
          expect(own.slice(0, here.length + ended.length), `${what}, row ${row}`).toEqual([
            ...here,
            ...ended,
          ]);
        }
      }
    });

    it('goes on from a cache whose rows were moved, where they left', () => {
      for (const what of Object.keys(job.reordered)) {
        const of = (key: string) => theirs.get(`${what}.${key}`)!;
        expect(new Set(of('slots')).size, `slots, ${what}`).toBeGreaterThan(1);
        for (const way of ['reorder_cache', 'batch_select_indices', 'batch_repeat_interleave']) {
          expectClose(of(way), [0], 1e-4, `logits after ${way}, ${what}`);
        }
      }
    });

    it('searches by beams, with a cache as without', () => {
      for (const what of Object.keys(job.beams)) {
        const of = (key: string) => theirs.get(`${what}.${key}`)!;
        expect([...of('cached')], what).toEqual([...of('whole')]);
        expectClose(of('says'), of('scores'), 1e-5, `score, ${what}`);
      }
    });

    it('keeps nothing of a slot that nobody asked for', () => {
      expect(theirs.get('kept.outputs')![0]).toBeLessThanOrEqual(1);
    });

    it('saves the same bytes, which ztt reads', async () => {
      const {folder} = job.save;
      expect([...theirs.get('save.same')!]).toEqual([1]);
      const bytes = await tensorBytes(job.folder);
      // A head that is stored and not used stays behind.
      if (model.config.arch.lmHead.tied) bytes.delete('lm_head.weight');
      expect(await tensorBytes(folder)).toEqual(bytes);
      expect(await readModelConfig(folder)).toEqual(await readModelConfig(job.folder));
      for (const file of ['configuration_ztt.py', 'modeling_ztt.py']) {
        expect(readFileSync(join(folder, file), 'utf8')).toBe(readFileSync(join(job.folder, file), 'utf8'));
      }
    });

    it('takes our training step', async () => {
      for (const [what, call] of Object.entries(job.train)) {
        const of = (key: string) => theirs.get(`${what}.${key}`)!;
        const trained = await load(job.folder, ENGINE);
        expectClose(of('loss'), [await trained.loss(call.rows)], 1e-5, 'loss');
        for (const [parameter, gradient] of await trained.gradients(call.rows)) {
          expectNormClose(of(`gradient.${parameter}`), gradient, 1e-4, 1e-6, `gradient of ${parameter}`);
        }
        const {betas, ...settings} = ADAMW;
        const [beta1, beta2] = betas;
        const trainer = new Trainer(
          trained,
          trainerSettings({...settings, beta1, beta2, warmup: 0, lrSchedule: 'constant', train: 'all'}),
        );
        await trainer.step(1, call.rows);
        trainer.dispose();
        for (const [parameter, variable] of trained.parameters()) {
          expectClose(of(`after.${parameter}`), await variable.data(), 2e-6, `${parameter} after the step`);
        }
        trained.dispose();
      }
    });
  });
});

/** A model that was converted and reverted. */
async function revertedJob(name: string): Promise<PlainJob> {
  const folder = temp.path(`${name}-reverted`);
  const converted = temp.path(`${name}-to-revert`);
  await convert({source: join(ORACLE, name), output: converted, layout: 'vanilla'});
  await revert({model: converted, output: folder});
  return {folder, results: `${folder}.results.safetensors`, plain: await idsOf(name)};
}

async function idsOf(name: string): Promise<number[][]> {
  const expected = await Expected.open(name);
  const ids = await expected.ids();
  await expected.close();
  return ids;
}

/** An oracle case as our convert writes it, with the zero keys whose exits the oracle has. */
async function oracleJob(name: string, variant: Variant, ids: number[][]): Promise<Job> {
  const output = temp.path(`${name}-${variant}`);
  const expected = await Expected.open(name);
  await convert({source: join(ORACLE, name), output, ...expected.arrangement(variant)});
  if (expected.has(`${variant}.zero_keys`)) {
    await replaceZeroKeys(output, await expected.floats(`${variant}.zero_keys`));
  }
  await expected.close();
  return jobOf(output, ids, {train: variant === 'vanilla' || variant === 'ztt2', exits: variant === 'ztt2'});
}

async function replaceZeroKeys(folder: string, keys: Float32Array): Promise<void> {
  const path = join(folder, 'model.safetensors');
  const weights = await SafetensorsFile.open(path);
  const {start} = weights.place('zero_tokens.key');
  await weights.close();
  const file = await open(path, 'r+');
  await file.write(new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength), 0, undefined, start);
  await file.close();
}

/** What is asked of every model, and of some also a training step and whatever exits there are. */
function jobOf(folder: string, rows: number[][], {train = false, exits = false} = {}): Job {
  const ragged = rows.map((row, i) => row.slice(0, row.length - 5 * i));
  const forward: Record<string, Forward> = {
    whole: {rows, steps: 0, options: {}},
    observed: {rows, steps: 0, observe: true, options: {}},
    padded: {rows: ragged, steps: 0, options: {}},
    'padded and cached': {rows: ragged, steps: 4, options: {}},
  };
  const add = (what: string, options: BatchOptions) => {
    forward[what] = {rows: ragged, steps: 0, options};
    forward[`${what}, cached`] = {rows: ragged, steps: 3, options: {...options, contextLength: 4}};
  };
  for (const threshold of exits ? THRESHOLDS : []) {
    add(`exits at ${threshold}`, {threshold, contextLength: 6});
    add(`exits by token at ${threshold}`, {threshold, exitGranularity: 'token'});
  }
  for (const [what, options] of Object.entries(exits ? OTHER_EXITS : {})) add(`exits ${what}`, options);
  const generated = (threshold?: number) => ({
    rows: ragged.map((row) => row.slice(0, -2)),
    tokens: GENERATED,
    options: threshold === undefined ? {} : {threshold},
  });
  const step = {rows, ...ADAMW, betas: [...ADAMW.betas] as [number, number]};
  return {
    folder,
    results: `${folder}.results.safetensors`,
    forward,
    generate: {greedy: generated(), ...(exits && {'greedy at 0.2': generated(0.2)})},
    reordered: exits ? {reordered: {rows: ragged}} : {},
    beams: {
      beams: {...generated(), options: {}},
      ...(exits && {
        'beams by token': {...generated(), options: {threshold: 0.2}},
        'beams by sequence': {
          ...generated(),
          options: {threshold: 0.2, exitGranularity: 'sequence', contextLength: 4},
        },
      }),
    },
    train: {
      ...(train && {step: {...step, checkpointing: false}}),
      ...(exits && {checkpointed: {...step, checkpointing: true}}),
    },
    save: {folder: `${folder}-saved`, rows},
  };
}

import {readFileSync} from 'node:fs';
import {readdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {withLock} from '../../src/files/index.js';
import {
  compare,
  convert,
  evaluate,
  finetune,
  load,
  parseAxis,
  Tokenizer,
  type CompareOptions,
  type Comparison,
} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {makeTinySource} from '../helpers/tiny-model.js';
import {sharedTempFolder} from '../helpers/temp.js';

const SOURCE = join(FIXTURES, 'gpt2-books');
const TASK = join(FIXTURES, 'eval', 'choices.jsonl');
const STEPS = 3;

const temp = sharedTempFolder();
/** A model that trains in milliseconds. */
let source: string;
let options: CompareOptions;
let first: Comparison;
beforeAll(async () => {
  source = temp.path('tiny');
  await makeTinySource(source, {n_positions: 256});
  options = {
    source,
    output: temp.path('comparison'),
    data: [join(FIXTURES, 'books_heldout.txt')],
    budget: {unit: 'steps', amount: STEPS},
    layouts: ['ztt'],
    axes: ['batch-size=2', 'seq-len=32', 'lr=1e-3'].map(parseAxis),
    seeds: [5],
    tasks: [TASK],
    limit: 12,
    thresholds: [0.3, 1],
    penalties: [0.05],
    exitShares: [0.5],
    engine: 'native',
  };
  first = await compare(options);
});

const cells = async () => (await readdir(temp.path('comparison', 'cells'))).sort();
const row = ({rows}: Comparison, model: string, threshold = 1) =>
  rows.find(
    (each) => each.model === model && each.threshold === threshold && each.share === null && !each.learned,
  )!;

/** A row but for whether it is on the Pareto front, which depends on the other rows. */
const withoutPareto = ({measures, ...rest}: Comparison['rows'][number]) => {
  const own = Object.entries(measures).map(([name, measure]) => [name, {...measure, pareto: null}] as const);
  return {...rest, measures: Object.fromEntries(own)};
};

describe('a comparison', () => {
  it('has the source, vanilla and every threshold of ztt, and says so in both files', async () => {
    expect(
      first.rows.map(({model, threshold, share, learned}) => [model, threshold, share, learned?.penalty]),
    ).toEqual([
      ['source, untouched', 1, null, undefined],
      ['vanilla', 1, null, undefined],
      ['ztt', 0.3, null, undefined],
      ['ztt', 1, null, undefined],
      ['ztt', expect.any(Number), 0.5, undefined],
      ['ztt', 1, null, 0.05],
    ]);
    expect(first.cells).toEqual({all: 3, done: 3});
    expect(JSON.parse(await readFile(temp.path('comparison', 'comparison.json'), 'utf8'))).toEqual(first);
    expect(await readFile(temp.path('comparison', 'comparison.html'), 'utf8')).toContain(
      'at equal parameters',
    );
  });

  it('is for one process at a time', async () => {
    await withLock(options.output, () =>
      expect(compare(options)).rejects.toThrow(/comparison is in use by process \d+ of this machine/),
    );
  });

  it('is what the commands give one after the other', async () => {
    const [model, run] = [temp.path('ztt'), temp.path('run')];
    await convert({source, output: model, layout: 'ztt', seed: 5});
    await finetune({
      model,
      output: run,
      data: options.data,
      steps: STEPS,
      batchSize: 2,
      seqLen: 32,
      lr: 1e-3,
      seed: 5,
      heldOut: 0.05,
      evalEvery: STEPS,
      evalBlocks: 64,
      evalThresholds: [0.3, 1],
      engine: 'native',
    });
    const [folder] = (await cells()).filter((name) => name.startsWith('ztt-'));
    const weights = (path: string) => readFileSync(join(path, 'model.safetensors'));
    expect(weights(temp.path('comparison', 'cells', folder!, 'run')).equals(weights(run))).toBe(true);
    const loaded = await load(run, {engine: 'native'});
    const tokenizer = await Tokenizer.load(run);
    const report = await evaluate(loaded, tokenizer, {
      tasks: [TASK],
      limit: 12,
      thresholds: [0.3, 1],
    });
    const metrics = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n').at(-1)!;
    const {held_out: heldOut} = JSON.parse(metrics) as {
      held_out: {exits: {threshold: number; loss: number; mean_slots: number}[]};
    };
    // Learned thresholds are thresholds of slots, as `ztt eval` takes them.
    const {learned, measures: learnedMeasures} = first.rows.at(-1)!;
    const again = await evaluate(loaded, tokenizer, {
      tasks: [TASK],
      limit: 12,
      slotThresholds: learned!.slot_thresholds,
    });
    expect(learnedMeasures['choices']!.meanSlots).toBe(again.ztt.thresholds[0]!.mean_slots);
    // A threshold by share is a threshold as any other.
    const {threshold: chosen, measures: chosenMeasures} = first.rows.at(-2)!;
    const atChosen = await evaluate(loaded, tokenizer, {tasks: [TASK], limit: 12, thresholds: [chosen]});
    expect(chosenMeasures['choices']!.meanSlots).toBe(atChosen.ztt.thresholds[0]!.mean_slots);
    // About half of the held-out sequences exit, after 3 of 4 slots: the depth is well between that of all exits and none.
    const {meanSlots} = chosenMeasures['held-out text']!;
    expect(meanSlots).toBeGreaterThan(3.17);
    expect(meanSlots).toBeLessThan(3.83);
    loaded.dispose();
    for (const {threshold, results, tasks} of report.ztt.thresholds) {
      const {measures, training} = row(first, 'ztt', threshold);
      expect(measures['choices']).toMatchObject({
        metric: 'acc',
        value: results['choices']!['acc,none'],
        flopsRatio: tasks['choices']!.flops_ratio_to_source,
        meanSlots: tasks['choices']!.mean_slots,
      });
      expect(measures['choices']!.error).toBeCloseTo(Number(results['choices']!['acc_stderr,none']), 10);
      const {loss, mean_slots: slots} = heldOut.exits.find((each) => each.threshold === threshold)!;
      expect(measures['held-out text']!.value).toBeCloseTo(loss, 6);
      expect(measures['held-out text']!.meanSlots).toBe(slots);
      expect(training!.steps).toBe(STEPS);
    }
  });

  it('leaves neither converted models nor checkpoints, and does nothing when called again', async () => {
    const before = await cells();
    for (const cell of before.filter((name) => !name.startsWith('source'))) {
      const names = (await readdir(temp.path('comparison', 'cells', cell))).sort();
      expect(names).toEqual([expect.stringMatching(/^outcome-/), 'run']);
      expect(await readdir(temp.path('comparison', 'cells', cell, 'run'))).not.toContain('checkpoints');
    }
    const done: string[] = [];
    expect(await compare({...options, onDone: (name) => done.push(name)})).toEqual(first);
    expect(done).toEqual([]);
    expect(await cells()).toEqual(before);
  });

  it('that is wider does what is new, and shares a run between ways to score it', async () => {
    const before = await cells();
    const done: string[] = [];
    const wider = await compare({
      ...options,
      layouts: ['htc', 'ztt'],
      axes: [...options.axes!, parseAxis('exit-from-cycle=1,2')],
      onDone: (name) => done.push(name),
    });
    expect(done.sort()).toEqual(['htc, seed 5', 'ztt, exit-from-cycle 1, seed 5']);
    const added = (await cells()).filter((name) => !before.includes(name));
    expect(added).toEqual([expect.stringMatching(/^htc-seed5-/)]);
    const [early, late] = [1, 2].map((cycle) => row(wider, `ztt, exit-from-cycle ${cycle}`, 0.3));
    expect(early!.measures['choices']!.meanSlots).toBeLessThanOrEqual(late!.measures['choices']!.meanSlots);
    const {value, flopsRatio} = row(first, 'ztt', 0.3).measures['choices']!;
    expect(late!.measures['choices']).toMatchObject({value, flopsRatio});
    const heldOut = [early, late].map((each) => each!.measures['held-out text']!.meanSlots);
    expect(heldOut[0]).toBeLessThanOrEqual(heldOut[1]!);
    expect(withoutPareto(row(wider, 'vanilla'))).toEqual(withoutPareto(row(first, 'vanilla')));
  });

  it('whose model fails says which and why, keeps the others, and tries again', async () => {
    const exploding = {
      ...options,
      source: SOURCE,
      axes: [...options.axes!.slice(0, 2), parseAxis('lr=1e-3,1')],
      layouts: [] as const,
    };
    const output = temp.path('exploding');
    await expect(
      compare({...exploding, output, budget: {unit: 'steps', amount: 40}, tasks: []}),
    ).rejects.toThrow(/1 of 3 models failed; .*\nvanilla, lr 1, seed 5: .*loss/s);
    const kept = JSON.parse(await readFile(join(output, 'comparison.json'), 'utf8')) as Comparison;
    expect(kept.rows.map(({model}) => model)).toContain('vanilla, lr 1e-3');
    await rm(output, {recursive: true});
  });
});

import {cp, readFile, writeFile} from 'node:fs/promises';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {calibrate, evaluate, openTask, type CalibrateOptions, type Task} from '../../../src/eval/index.js';
import {
  parseBudget,
  pointBeforeDrop,
  pointWithin,
  traceCurve,
  type CurvePoint,
} from '../../../src/eval/thresholds/curve.js';
import {measure} from '../../../src/eval/thresholds/estimate.js';
import {openParts} from '../../../src/eval/thresholds/parts.js';
import {FormatError, UsageError} from '../../../src/errors.js';
import {addCosts} from '../../../src/score/index.js';
import {finetune} from '../../../src/finetune/index.js';
import {load, readModelConfig, storeCalibration, type Model} from '../../../src/model/index.js';
import type {Tokenizer} from '../../../src/tokenizer/index.js';
import {expectClose} from '../../helpers/close.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {loadZtt, MODEL, TASKS} from '../fixtures.js';
import {TASK_DATA} from '../task-fixtures.js';

const exact = (value: number) => ({value, low: value, high: value});
/** Cost falls in steps from 2 to 1 as the threshold falls below 0.8, 0.5 and 0.2. */
const at = (threshold: number) => {
  const exits = [0.8, 0.5, 0.2].filter((step) => threshold < step).length;
  const flops = 2 - exits / 3;
  return Promise.resolve({
    accuracy: exact(0.9 - [0, 0.004, 0.1, 0.05][exits]!),
    flops_ratio: exact(flops),
    flops_per_token: flops * 1e6,
    mean_slots: 10,
  });
};

describe('a curve', () => {
  let curve: CurvePoint[];
  beforeAll(async () => {
    curve = await traceCurve(at, 60);
  });

  it('finds every step of the cost, and has each once, deepest first', () => {
    expect(curve.map((point) => point.flops_ratio.value)).toEqual([2, 2 - 1 / 3, 2 - 2 / 3, 1]);
    const thresholds = curve.map(({threshold}) => threshold);
    expect(thresholds[0]).toBe(1);
    for (const [i, step] of [0.8, 0.5, 0.2].entries()) {
      expect(thresholds[i + 1]!).toBeLessThan(step);
      expect(thresholds[i + 1]!).toBeGreaterThan(step * 0.99);
    }
  });

  it('gives a budget the deepest point within it', () => {
    const flopsAt = (text: string) => pointWithin(curve, parseBudget(text)).flops_ratio.value;
    expect(['2', '1.99', '1.5', '1.2', '1', '1.5M', '1500kFLOPs'].map(flopsAt)).toEqual([
      2,
      2 - 1 / 3,
      2 - 2 / 3,
      1,
      1,
      2 - 2 / 3,
      2 - 2 / 3,
    ]);
  });

  it('refuses what no threshold reaches, with the interval that can be', () => {
    for (const budget of ['0.9', '2.1', '3M']) {
      expect(() => pointWithin(curve, parseBudget(budget))).toThrow(UsageError);
    }
    expect(() => pointWithin(curve, parseBudget('0.9'))).toThrow(/from 1\.000 to 2\.000/);
    expect(() => pointWithin(curve, parseBudget('3M'))).toThrow(/budget of 3\.000M; .* 1\.000M to 2\.000M/);
  });

  it('keeps accuracy within a drop at every deeper point too', () => {
    const flopsOf = (drop: number) => pointBeforeDrop(curve, drop).flops_ratio.value;
    expect([0, 0.01, 0.06, 0.2].map(flopsOf)).toEqual([2, 2 - 1 / 3, 2 - 1 / 3, 1]);
    const silent = curve.map((point) => ({...point, accuracy: null}));
    expect(() => pointBeforeDrop(silent, 0.01)).toThrow(UsageError);
  });

  it.each(['', 'x', '-1', '0', '1.2y', '1.2xFLOPs', '1e3', 'NaN'])('refuses the budget %j', (text) => {
    expect(() => parseBudget(text)).toThrow(UsageError);
  });

  it('reads budgets with their units', () => {
    expect(
      ['1.2', '1.2x', '8.5M', '2GFLOPs', '500FLOPs'].map((text) => {
        const {unit, value} = parseBudget(text);
        return [unit, value];
      }),
    ).toEqual([
      ['source', 1.2],
      ['source', 1.2],
      ['flops', 8.5e6],
      ['flops', 2e9],
      ['flops', 500],
    ]);
  });
});

describe('what thresholds are chosen on', () => {
  it('is the calibration split, or every second row, and never what is measured on', async () => {
    const file = await openParts([TASKS.choices], {limit: 5}, 7);
    const whole = await openTask(TASKS.choices);
    const places = ([task]: Task[]) => (task!.rows as readonly {place: string}[]).map((row) => row.place);
    expect(places(file.calibration)).toEqual([0, 2, 4, 6, 8, 10, 12].map((i) => whole.rows[i]!.place));
    expect(places(file.test)).toEqual([1, 3, 5, 7, 9].map((i) => whole.rows[i]!.place));
    const split = sizes(await openParts(['lambada_openai'], {dataFolder: TASK_DATA}, 200));
    expect(split).toEqual({test: 8, calibration: 9});
    await expect(openParts(['boolq'], {dataFolder: TASK_DATA}, 200)).rejects.toThrow(FormatError);
  });
});

const sizes = ({test, calibration}: Awaited<ReturnType<typeof openParts>>) => ({
  test: test[0]!.rows.length,
  calibration: calibration[0]!.rows.length,
});

it("intervals are those of the questions' spread", async () => {
  const task = await openTask(TASKS.choices, {limit: 1});
  const right = {...task.rows[0]!, question: {...task.rows[0]!.question, gold: 0}};
  const rows = Array.from({length: 400}, () => right);
  const outcomes = rows.map((_, i) => ({
    // Of four, three are right; every second costs twice as much.
    logLikelihoods: i % 4 === 0 ? [-2, -1] : [-1, -2],
    greedy: [false, false],
    slots: [8, 8],
    contextLength: 5,
    cost: {
      rows: 2,
      tokens: 10,
      scored: 4,
      slots: 16,
      exitsBySlot: new Map<number, number>(),
      flops: i % 2 === 0 ? 1000 : 2000,
      sourceFlops: 1000,
    },
  }));
  const scores = {outcomes, cost: addCosts(outcomes.map(({cost}) => cost)), seconds: 1};
  const measured = measure([{...task, rows} as Task], [scores]);
  expect(measured).toMatchObject({flops_per_token: 150, mean_slots: 8});
  const [accuracy, flops] = [measured.accuracy!, measured.flops_ratio];
  expect([accuracy.value, flops.value]).toEqual([0.75, 1.5]);
  // 1.96 times the standard error, sqrt(p (1 - p) / n).
  expectClose([accuracy.high - 0.75, 0.75 - accuracy.low], [0.0424, 0.0424], 0.008);
  expectClose([flops.high - 1.5, 1.5 - flops.low], [0.049, 0.049], 0.008);
});

describe('with a model', () => {
  const temp = sharedTempFolder();
  let model: Model;
  let tokenizer: Tokenizer;
  let folder: string;
  beforeAll(async () => {
    folder = temp.path('ztt');
    ({model, tokenizer} = await loadZtt(folder));
  });
  afterAll(() => {
    model.dispose();
  });

  it('a budget is met where it was chosen, and the compute measured is told', async () => {
    const report = await evaluate(model, tokenizer, {
      tasks: [TASKS.choices],
      budgets: ['1.3', '1.5'],
      limit: 20,
      calibrationLimit: 24,
      timedQuestions: 0,
    });
    const {budgets, thresholds, calibration} = report.ztt;
    expect(thresholds.map(({threshold}) => threshold)).toEqual(budgets.map(({threshold}) => threshold));
    expect(calibration.length).toBeGreaterThan(20);
    for (const {asked, calibrated, achieved, threshold} of budgets) {
      expect(calibrated).toBeLessThanOrEqual(asked);
      expect(calibrated).toBeGreaterThan(asked - 0.05);
      expect(achieved).toBe(thresholds.find((at) => at.threshold === threshold)!.flops_ratio_to_source);
      expect(Math.abs(achieved - asked)).toBeLessThan(0.2);
    }
    expect(report['n-samples']['choices']!.effective).toBe(20);
    const absolute = await evaluate(model, tokenizer, {
      tasks: [TASKS.choices],
      budgets: [`${thresholds[0]!.flops_per_token / 1e6}M`],
      limit: 20,
      calibrationLimit: 24,
      timedQuestions: 0,
    });
    expect(absolute.ztt.budgets[0]!.calibrated).toBeLessThanOrEqual(thresholds[0]!.flops_per_token);
  });

  it('budgets that cannot be are refused before anything is scored', async () => {
    const run = (on: Model, budget: string, options = {}) =>
      evaluate(on, tokenizer, {
        tasks: [TASKS.choices],
        budgets: [budget],
        limit: 4,
        calibrationLimit: 4,
        ...options,
      });
    await expect(run(model, '0.5')).rejects.toThrow(
      /thresholds reach from 1\.0.* --exit-from-cycle 1 reaches lower/,
    );
    await expect(run(model, '1.2', {exitFromCycle: 3})).rejects.toThrow(/would change nothing/);
    const source = await load(MODEL, {engine: 'auto'});
    await expect(run(source, '1.2')).rejects.toThrow(/layout vanilla has no zero tokens/);
    source.dispose();
  });

  const options: CalibrateOptions = {tasks: [TASKS.choices], maxDrop: 0.5, limit: 16};

  it('a calibration is stored whole, is the model’s own from then on, and ends with its weights', async () => {
    const calibrated = temp.path('calibrated');
    await cp(folder, calibrated, {recursive: true});
    const made = await calibrate(model, tokenizer, {...options, maxDrop: undefined, budget: '1.3'});
    await storeCalibration(calibrated, made);
    const {ztt} = await readModelConfig(calibrated);
    expect(ztt).toMatchObject({threshold: made.threshold, exit_from_cycle: 2, exit_score: 'zero-attention'});
    expect(ztt!.calibration).toEqual(made);
    const own = await load(calibrated, {engine: 'auto'});
    const notes: string[] = [];
    const report = await evaluate(own, tokenizer, {
      tasks: [TASKS.choices],
      budgets: ['1.3'],
      limit: 10,
      timedQuestions: 0,
      onNote: (line) => notes.push(line),
    });
    own.dispose();
    expect(notes.join()).toMatch(/from the calibration in the model's config.json/);
    expect(report.ztt.budgets[0]).toMatchObject({threshold: made.threshold});
    expect(report.ztt.calibration).toEqual([]);
    // All rows are measured on: none was needed to choose.
    expect(report['n-samples']['choices']!.effective).toBe(10);
    await finetune({
      model: calibrated,
      output: temp.path('run'),
      data: [`${FIXTURES}books_train.txt`],
      steps: 1,
      batchSize: 1,
      seqLen: 16,
      engine: 'auto',
    });
    expect((await readModelConfig(temp.path('run'))).ztt!.calibration).toBeUndefined();
  });

  it('the length-normalised score is kept with its threshold', async () => {
    const scored = temp.path('normalised');
    await cp(folder, scored, {recursive: true});
    const made = await calibrate(model, tokenizer, {...options, exitScore: 'length-normalised', limit: 10});
    expect(made.target).toEqual({max_drop: 0.5});
    await storeCalibration(scored, made);
    const own = await load(scored, {engine: 'auto'});
    const ids = tokenizer.encode('It was a dark and stormy night, and the rain fell');
    const stored = await own.logits([ids]);
    const asked = await model.logits([ids], {threshold: made.threshold, exitScore: 'length-normalised'});
    expect(stored.slots).toEqual(asked.slots);
    own.dispose();
  });

  it('is refused without one of drop and budget, and for a folder that holds no such model', async () => {
    await expect(calibrate(model, tokenizer, {tasks: [TASKS.choices]})).rejects.toThrow(UsageError);
    await expect(calibrate(model, tokenizer, {...options, budget: '1.2'})).rejects.toThrow(UsageError);
    const made = await calibrate(model, tokenizer, {...options, limit: 2});
    const plain = temp.path('plain');
    await cp(MODEL, plain, {recursive: true});
    const before = await readFile(`${plain}/config.json`, 'utf8');
    await expect(storeCalibration(plain, made)).rejects.toThrow(FormatError);
    expect(await readFile(`${plain}/config.json`, 'utf8')).toBe(before);
    await writeFile(`${plain}/config.json`, '{"model_type": "ztt"}');
    await expect(storeCalibration(plain, made)).rejects.toThrow(FormatError);
  });
});

import {readFile, writeFile} from 'node:fs/promises';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  evaluate,
  htmlReport,
  openTask,
  prepareTask,
  samplesFile,
  writeResults,
  type EvalReport,
  type Sample,
} from '../../../src/eval/index.js';
import {zeroAttentionMap} from '../../../src/eval/results/zero-attention.js';
import {type Model} from '../../../src/model/index.js';
import type {Tokenizer} from '../../../src/tokenizer/index.js';
import {CHROMIUM, openAsPhone} from '../../helpers/chromium.js';
import {expectClose} from '../../helpers/close.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {expected, loadZtt, TASKS} from '../fixtures.js';

const temp = sharedTempFolder();
let model: Model;
let tokenizer: Tokenizer;
beforeAll(async () => {
  ({model, tokenizer} = await loadZtt(temp.path('ztt')));
});
afterAll(() => {
  model.dispose();
});

const tasks = Object.values(TASKS);

describe('several thresholds', () => {
  const thresholds = [0.05, 0.2, 1];
  /** The last questions are longer than the model reads. */
  const cut = '{"query": "Q", "choices": ["He", "He went"], "gold": 0}\n';

  it('give what each gives by itself', async () => {
    const options = {tasks, limit: 12, timedQuestions: 0};
    const together = await evaluate(model, tokenizer, {...options, thresholds});
    for (const [i, threshold] of thresholds.entries()) {
      const alone = await evaluate(model, tokenizer, {...options, thresholds: [threshold]});
      const [a, b] = [together.ztt.thresholds[i]!, alone.ztt.thresholds[0]!];
      expect(a.exits_by_slot).toEqual(b.exits_by_slot);
      expect(a.flops_ratio_to_source).toBeCloseTo(b.flops_ratio_to_source, 12);
      for (const task of Object.keys(a.results)) {
        for (const [key, value] of Object.entries(a.results[task]!)) {
          const other = b.results[task]![key];
          if (typeof value !== 'number') expect(other).toBe(value);
          else expect(Math.abs((other as number) - value)).toBeLessThanOrEqual(1e-4 * Math.abs(value));
        }
      }
    }
    expect(new Set(together.ztt.thresholds.map(({mean_slots: slots}) => slots)).size).toBe(3);
  });

  it('leave all choices of a question as deep as each other, also where it was cut at different places', async () => {
    const long = 'The old house stood by the sea and no one had lived in it for many years. '.repeat(30);
    const rows = ['He', 'He went to the house by the sea.', 'No '.repeat(20)];
    const path = temp.path('cut.jsonl');
    const question = (query: string) => `${JSON.stringify({query, choices: rows, gold: 1})}\n`;
    await writeFile(path, question(long) + question(`${long} Then`) + cut);
    const depths: number[][] = [];
    for (const threshold of [0.05, 0.1, 0.15, 0.2, 0.3]) {
      await evaluate(model, tokenizer, {
        tasks: [path],
        thresholds: [threshold],
        timedQuestions: 0,
        onSamples: (_, __, samples) => {
          for (const {ztt} of samples) depths.push((ztt as {slots: number[]}).slots);
        },
      });
    }
    expect(depths).toHaveLength(15);
    for (const slots of depths) expect(new Set(slots).size).toBe(1);
    expect(new Set(depths.flat()).size).toBeGreaterThan(2);
  });

  it('have a ceiling that no threshold is above', async () => {
    const report = await evaluate(model, tokenizer, {tasks: [TASKS.choices], thresholds, timedQuestions: 0});
    const ceiling = report.ztt.ceiling['choices']!;
    for (const {results} of report.ztt.thresholds) {
      expect(ceiling.metrics['acc']).toBeGreaterThanOrEqual(results['choices']!['acc,none'] as number);
    }
    expect(ceiling.metrics['acc']).toBeLessThanOrEqual(1);
    expect(ceiling.flops_ratio_to_source).toBeLessThan(report.ztt.thresholds[2]!.flops_ratio_to_source);
    const bands = report.ztt.thresholds[0]!.tasks['choices']!.by_context_length;
    expect(bands.reduce((sum, {questions}) => sum + questions, 0)).toBe(expected.rows.choices.length);
    for (const {from, to} of bands) expect(to === 16 ? from === 1 : to === 2 * (from - 1)).toBe(true);
  });

  it('a fixed depth runs so many cycles', async () => {
    const {ztt} = await evaluate(model, tokenizer, {
      tasks: [TASKS.choices],
      maxCycles: 1,
      limit: 3,
      timedQuestions: 0,
    });
    expect(ztt).toMatchObject({max_cycles: 1, slots: 14});
    expect(ztt.thresholds[0]).toMatchObject({mean_slots: 8});
  });
});

describe('samples', () => {
  it("are the harness's, hash for hash", async () => {
    const samples = new Map<string, Sample[]>();
    const report = await evaluate(model, tokenizer, {
      tasks,
      limit: 2,
      timedQuestions: 0,
      onSamples: (task, _, own) => samples.set(task, own),
    });
    // run_local.py --mc fixtures/eval/choices.jsonl --lambada .../last_words.jsonl --text .../pages.jsonl, its logs
    expect(samples.get('choices')![0]).toMatchObject({
      doc_id: 0,
      target: '1',
      filter: 'none',
      metrics: ['acc', 'acc_norm'],
      doc_hash: 'e5bdab77188b14a7a82b894b0ae6ed23627a53487b075afa61c8879108c6df27',
      prompt_hash: '434b3e754b987fca6486c2a3f5e3cdc38f6f6eb3c05d5a8f118e216dc422a4f2',
      target_hash: '6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b',
    });
    expect(samples.get('last_words')![0]).toMatchObject({
      doc: {text: 'You see, I have been roughing it; and though some parts of'},
      target: ' of',
      arguments: {
        gen_args_0: {arg_0: 'You see, I have been roughing it; and though some parts', arg_1: ' of'},
      },
      doc_hash: 'b2e5459caf7edf8aa45a9aa42b6e750fe02b88c8c4719e067d0d94f95679795c',
      prompt_hash: 'e9f3a21a4e3b907765a4f0b61c9ab4b5b1275c6041afbe49d9c4227f92f4dca0',
      target_hash: '88eb5a7ed2730b8af9fcab410bb1ca9d258e493830226b57b6a5fd9f3b062563',
    });
    const [sample] = samples.get('last_words')!;
    expect(sample!.resps).toEqual([
      [[expect.stringMatching(/^-\d+\.\d+$/), expect.stringMatching(/True|False/)]],
    ]);
    const page = samples.get('pages')![0]!;
    expect(page.word_perplexity).toEqual([expect.any(Number), expected.rows.pages[0]!.words]);
    expect(Object.keys(report.task_hashes as object)).toEqual(['choices', 'last_words', 'pages']);
  });

  it('lie beside the results, under the same stamp', async () => {
    const report = await evaluate(model, tokenizer, {tasks: [TASKS.pages], limit: 1, timedQuestions: 0});
    const samples = [{doc_id: 0}] as unknown as Sample[];
    const files = [samplesFile('pages', 1, 1, samples), samplesFile('pages', 0.5, 1, samples)];
    const paths = await writeResults(temp.path('out'), report, files);
    const stamp = /results_(.*)\.json$/.exec(paths[0]!)![1];
    expect(paths.slice(1).map((path) => path.split('/').at(-1))).toEqual([
      `samples_pages_${stamp}.jsonl`,
      `samples_pages_threshold-0.5_${stamp}.jsonl`,
    ]);
    expect(await readFile(paths[1]!, 'utf8')).toBe('{"doc_id":0}\n');
  });
});

describe('the HTML report', () => {
  let report: EvalReport;
  let page: string;
  beforeAll(async () => {
    report = await evaluate(model, tokenizer, {
      tasks,
      thresholds: [0.1, 1],
      budgets: ['1.4'],
      limit: 10,
      calibrationLimit: 12,
      timedQuestions: 2,
      modelName: '<script>alert(1)</script>',
    });
    page = htmlReport(report);
  });

  it('shows results against compute and time, depths, zero attention, and every number', () => {
    const titles = [...page.matchAll(/<h2>([^<]*)<\/h2>/g)].map((match) => match[1]);
    for (const title of [
      'acc against compute',
      'acc against time, batched',
      'acc against time, alone',
      'bits_per_byte against compute',
      'Exits by slot',
      'choices: depth by context length',
      'Calibration',
      'Zero attention by slot',
      'Zero attention by slot and token',
      'Budgets',
    ]) {
      expect(titles).toContain(title);
    }
    expect(page.match(/<details>/g)).toHaveLength(titles.length);
    expect(page).not.toMatch(/<script|https?:|NaN|undefined/);
  });

  it('has the zero attention of the model', async () => {
    expect(report.ztt.zero_attention!.rows).toBe(16);
    const prepared = prepareTask(await openTask(TASKS.last_words, {limit: 1}), tokenizer, model);
    const {by_token: map} = (await zeroAttentionMap(model, [prepared]))!;
    const ids = prepared.requests[0]!.rows[0]!.ids.slice(0, -1);
    const {zeroAttention} = await model.logits([ids], {threshold: 1});
    expect(map).toHaveLength(14);
    const [H, T] = [3, ids.length];
    for (const [slot, tokens] of map.entries()) {
      const wanted = ids.map((_, token) => {
        const heads = [0, 1, 2].map((head) => zeroAttention![(slot * H + head) * T + token]!);
        return heads.reduce((sum, z) => sum + z, 0) / H;
      });
      expectClose(tokens as number[], wanted, 1e-6);
    }
  });

  it.skipIf(!CHROMIUM)(
    'fits a phone in a real browser, without a complaint on its console (skips where there is no Chromium)',
    async () => {
      const path = temp.path('report.html');
      await writeFile(path, page);
      const {width, log} = await openAsPhone(path, temp.path('frame.html'));
      expect(width).toBeLessThanOrEqual(360);
      expect(log).not.toContain('CONSOLE');
    },
  );
});

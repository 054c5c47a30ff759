/**
 * The whole road on the bundled model, as one `ztt compare`: converts it to every layout, fine-tunes all alike, and
 * evaluates them at several exits.
 *
 *   npm run demo                 a few minutes on 2 cores with the native engine
 *   npm run demo -- --quick      the same road in under a minute, with too little training to mean much
 *   npm run demo -- --jobs 1     one model at a time; as many as there are cores and memory for, unless given
 *   npm run demo -- --engine wasm
 *
 * Everything it writes goes to runs/demo, which it empties first.
 */
import {rm} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {compare, parseAxis, ZttError, type Comparison} from '../src/index.js';
import {format, Progress, table} from '../src/ui/index.js';

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const OUTPUT = path('runs/demo');

interface Sizes {
  steps: number;
  batchSize: number;
  seqLen: number;
  /** Questions of the task. */
  questions: number;
}

const FULL: Sizes = {steps: 60, batchSize: 4, seqLen: 256, questions: 200};
const QUICK: Sizes = {steps: 5, batchSize: 4, seqLen: 64, questions: 20};

async function demo({steps, batchSize, seqLen, questions}: Sizes, engine: string, jobs?: number) {
  await rm(OUTPUT, {recursive: true, force: true});
  const progress = await Progress.start({title: 'Demo', amount: format.flops});
  // Zero keys that hardly take part at first; see docs/finetuning.md.
  const axes = ['cycles=2', 'zero-init=aligned', 'zero-init-beta=1', `batch-size=${batchSize}`];
  return compare({
    source: path('fixtures/gpt2-books'),
    output: OUTPUT,
    data: [path('fixtures/books_train.txt')],
    budget: {unit: 'steps', amount: steps},
    axes: [...axes, `seq-len=${seqLen}`, 'lr=1e-4'].map(parseAxis),
    tasks: [path('fixtures/books_word_order.jsonl')],
    limit: questions,
    thresholds: [0.2, 0.5, 0.7, 1],
    exitShares: [0.25, 0.5, 0.75],
    training: {heldOutData: [path('fixtures/books_heldout.txt')]},
    engine,
    jobs,
    onProgress: (done, total, running) => progress.update(done, total, running.join(' | ')),
    onDone: (name, {cells}) => progress.note(`${cells.done} of ${cells.all}: ${name}`),
  }).finally(() => progress.stop());
}

/** A line for each model at each of its exits. */
function demoTable({rows}: Comparison): string {
  const right = (title: string) => ({title, align: 'right'}) as const;
  const lines = rows.map(({model, threshold, share, parameters, measures}) => {
    const {'held-out text': text, books_word_order: order} = measures;
    const exits = share === null ? '' : `exits ${100 * share} % of the training text`;
    return [
      model,
      Number(threshold.toPrecision(3)).toString(),
      format.count(parameters),
      ...[text!, order!].map(({meanSlots}) => meanSlots.toFixed(2)),
      ...[text!, order!].map(({flopsRatio, pareto}) => `${format.ratio(flopsRatio)}${pareto ? ' *' : '  '}`),
      Math.exp(text!.value).toFixed(2),
      text!.difference ? signed(text!.difference) : '',
      `${(100 * order!.value).toFixed(1)} % ± ${(100 * order!.error!).toFixed(1)}`,
      exits,
    ];
  });
  const columns = [
    {title: 'model'},
    right('P'),
    right('parameters'),
    right('slots: text'),
    right('questions'),
    right('FLOPs: text'),
    right('questions'),
    right('perplexity'),
    right('loss to vanilla'),
    right('word order'),
    {title: ''},
  ];
  return table(columns, lines);
}

const signed = ({value, low, high}: {value: number; low: number; high: number}): string => {
  const [a, b, c] = [value, low, high].map((nats) => `${nats > 0 ? '+' : ''}${nats.toFixed(3)}`);
  return `${a} [${b}, ${c}]`;
};

/** The share of the conversion's cost in loss that training has won back. */
function wonBack({rows}: Comparison): string {
  const lossOf = (name: string) =>
    rows.find(({model, threshold}) => model === name && threshold === 1)!.measures['held-out text']!.value;
  const source = lossOf(rows[0]!.model);
  const shares = ['bc', 'htc', 'ztt'].map((layout) => {
    const {before} = rows.find(({model}) => model === layout)!.training!;
    const cost = before! - source;
    return `${layout} ${((100 * (before! - lossOf(layout))) / cost).toFixed(0)} % of ${cost.toFixed(3)}`;
  });
  return `Of the loss that converting cost, in nats a token, fine-tuning won back: ${shares.join(', ')}.`;
}

const {values} = parseArgs({
  options: {
    quick: {type: 'boolean', default: false},
    jobs: {type: 'string'},
    engine: {type: 'string', default: 'auto'},
  },
});
const sizes = values.quick ? QUICK : FULL;
const began = performance.now();
try {
  const comparison = await demo(
    sizes,
    values.engine,
    values.jobs === undefined ? undefined : Number(values.jobs),
  );
  const tokens = format.count(sizes.steps * sizes.batchSize * sizes.seqLen);
  console.log(demoTable(comparison));
  console.log(
    `\nEach layout was fine-tuned on the same ${tokens} tokens; the source was not. P: the threshold above which ` +
      'a model exits early. Slots: executed layers, on average. FLOPs: relative to the source; * marks what nothing as cheap ' +
      'beats. Perplexity: 64 held-out sequences. Loss to vanilla: nats a token, and the middle 95 % of a paired bootstrap. ' +
      `Word order: ${sizes.questions} two-way questions, chance 50 %.`,
  );
  console.log(wonBack(comparison));
  console.log(
    `Took ${format.duration((performance.now() - began) / 1000)} with engine ${comparison.engine}. ` +
      'Models, metrics, comparison.html and comparison.json are in runs/demo.',
  );
} catch (error) {
  if (!(error instanceof ZttError)) throw error;
  console.error(`Error: ${error.message}`);
  process.exitCode = error.exitCode;
}

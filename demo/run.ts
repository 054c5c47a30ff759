/**
 * The main job, whole, on the bundled model: convert to every layout, fine-tune each alike, evaluate all.
 *
 *   npm run demo                 2 to 4 minutes on 2 cores with the native engine, about 10 without
 *   npm run demo -- --quick      the same road in a minute or two, with too little training to mean much
 *   npm run demo -- --jobs 1     one process at a time; default: one a core
 *   npm run demo -- --engine wasm
 *
 * Everything it writes goes to runs/demo, which it empties first.
 */
import {mkdir, rm, writeFile} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {readModelConfig, useEngine} from '../src/index.js';
import {format, Progress, table} from '../src/ui/index.js';
import type {EvalResult, TrainResult} from './jobs.js';
import {Pool} from './pool.js';
import {CYCLES, EXIT_SHARES, FIXED_THRESHOLDS, FULL, LAYOUTS, QUICK, SOURCE, type Sizes} from './settings.js';

const OUTPUT = fileURLToPath(new URL('../runs/demo', import.meta.url));

interface Results {
  sizes: Sizes;
  training: Record<string, TrainResult>;
  rows: EvalResult[];
  seconds: number;
}

async function demo(sizes: Sizes, processes: number, engine: string): Promise<Results> {
  const began = performance.now();
  await rm(OUTPUT, {recursive: true, force: true});
  await mkdir(OUTPUT, {recursive: true});
  const {arch} = await readModelConfig(SOURCE);
  const depth = {
    source: arch.layers,
    vanilla: arch.layers,
    bc: CYCLES * arch.layers,
    htc: CYCLES * (arch.layers - 2) + 2,
    ztt: CYCLES * (arch.layers - 2) + 2,
  };
  // Tokens x layers; a training token costs three passes. An evaluation at most so much: exits make it less.
  const training = (layout: keyof typeof depth) =>
    3 * sizes.steps * sizes.batchSize * sizes.seqLen * depth[layout];
  const scoring = (name: keyof typeof depth) => (sizes.windows * 256 + sizes.questions * 110) * depth[name];
  const evaluations = [...FIXED_THRESHOLDS, ...EXIT_SHARES].length;
  const total =
    LAYOUTS.reduce((sum, layout) => sum + training(layout), 0) +
    scoring('source') +
    LAYOUTS.reduce((sum, layout) => sum + scoring(layout) * (layout === 'ztt' ? evaluations : 1), 0);
  const progress = await Progress.start({
    title: 'Demo',
    amount: (n) => `${(n / 1e6).toFixed(1)} M token-layers`,
  });
  const pool = new Pool(processes, total, (done) => progress.update(done, total));
  // Jobs side by side take a core each; a job alone takes what the engine can use.
  const base = {sizes, engine, threads: processes > 1 ? 1 : undefined};
  const run = (layout: string) => join(OUTPUT, `${layout}-finetuned`);
  const evaluateAt = (name: keyof typeof depth, threshold: number, calibrate = false) =>
    pool.run(
      {kind: 'eval', name, model: name === 'source' ? SOURCE : run(name), threshold, calibrate, ...base},
      scoring(name),
    );
  const trained: Record<string, TrainResult> = {};
  const train = async (layout: (typeof LAYOUTS)[number]) => {
    const converted = join(OUTPUT, layout);
    trained[layout] = await pool.run(
      {kind: 'train', layout, converted, run: run(layout), ...base},
      training(layout),
    );
    progress.note(
      `${layout}: fine-tuned in ${format.duration(trained[layout].seconds)}, training loss ` +
        `${trained[layout].firstLoss.toFixed(3)} → ${trained[layout].lastLoss.toFixed(3)}`,
    );
  };
  const branches: Promise<EvalResult[]>[] = [
    train('ztt').then(async () => {
      const full = await evaluateAt('ztt', 1, true);
      const thresholds = [...FIXED_THRESHOLDS.filter((threshold) => threshold < 1), ...full.calibrated];
      const early = await Promise.all(thresholds.map((threshold) => evaluateAt('ztt', threshold)));
      return [...early.slice(0, -EXIT_SHARES.length), full, ...early.slice(-EXIT_SHARES.length)];
    }),
    ...(['bc', 'htc', 'vanilla'] as const).map(async (layout) => {
      await train(layout);
      return [await evaluateAt(layout, 1)];
    }),
    evaluateAt('source', 1).then((result) => [result]),
  ];
  const [ztt, bc, htc, plain, source] = await Promise.all(branches).finally(() => progress.stop());
  const rows = [...source!, ...plain!, ...bc!, ...htc!, ...ztt!];
  return {sizes, training: trained, rows, seconds: (performance.now() - began) / 1000};
}

function printTable({rows, training, sizes, seconds}: Results): void {
  const right = (title: string) => ({title, align: 'right'}) as const;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const lines = rows.map((row, i) => [
    row.name,
    row.threshold < 1 ? row.threshold.toFixed(3) : '1',
    format.count(row.parameters),
    row.textSlots.toFixed(2),
    row.questionSlots.toFixed(2),
    format.ratio(row.flops / row.sourceFlops),
    row.perplexity.toFixed(2),
    percent(row.nextTokenAccuracy),
    `${percent(row.accuracy)} ± ${(100 * row.accuracyError).toFixed(1)}`,
    row.seconds.toFixed(1),
    i >= rows.length - EXIT_SHARES.length
      ? `exits ${100 * EXIT_SHARES[i - rows.length + EXIT_SHARES.length]!} % of the calibration text`
      : '',
  ]);
  const columns = [
    {title: 'model'},
    right('P'),
    right('parameters'),
    right('slots: text'),
    right('questions'),
    right('FLOPs/token'),
    right('perplexity'),
    right('next token'),
    right('word order'),
    right('seconds'),
    {title: ''},
  ];
  console.log(table(columns, lines));
  const tokens = sizes.steps * sizes.batchSize * sizes.seqLen;
  console.log(
    `\nEach layout was fine-tuned on the same ${format.count(tokens)} tokens; the source was not. P: early-exit threshold. ` +
      'Slots: executed layers, on average. FLOPs/token: of all that was scored, relative to the source. ' +
      `Perplexity and next token: held-out text. Word order: ${sizes.questions} two-way questions, chance 50 %. ` +
      'Seconds: scoring, with other jobs beside it.',
  );
  const perplexityOf = (name: string) =>
    rows.find((row) => row.name === name && row.threshold === 1)!.perplexity;
  const wonBack = (['bc', 'htc', 'ztt'] as const).map((layout) => {
    const converted = Math.log(training[layout]!.convertedPerplexity);
    const cost = converted - Math.log(perplexityOf('source'));
    const share = (converted - Math.log(perplexityOf(layout))) / cost;
    return `${layout} ${(100 * share).toFixed(0)} % of ${cost.toFixed(3)}`;
  });
  console.log(
    `Of the loss that converting cost, in nats a token, fine-tuning won back: ${wonBack.join(', ')}.`,
  );
  const trainSeconds = Object.values(training).reduce((sum, {seconds}) => sum + seconds, 0);
  console.log(
    `Took ${format.duration(seconds)} (${format.duration(trainSeconds)} of fine-tuning, summed over processes). ` +
      'Models, metrics and these numbers are in runs/demo.',
  );
}

const {values} = parseArgs({
  options: {
    quick: {type: 'boolean', default: false},
    jobs: {type: 'string'},
    engine: {type: 'string', default: 'auto'},
  },
});
const processes = Number(values.jobs ?? availableParallelism());
if (!(Number.isInteger(processes) && processes >= 1)) {
  console.error(`Error: --jobs is ${values.jobs}; it must be a whole number from 1.`);
  process.exit(2);
}
const {why} = await useEngine({engine: values.engine}).catch((error: Error) => {
  console.error(`Error: ${error.message}`);
  process.exit(1);
});
console.error(`${why}; jobs at a time: ${processes}`);
const results = await demo(values.quick ? QUICK : FULL, processes, values.engine);
await writeFile(join(OUTPUT, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
printTable(results);

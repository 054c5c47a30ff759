/**
 * The tables of docs/finetuning.md: fine-tunes the bundled model by several recipes and measures each on held-out text.
 *
 *   npx tsx bench/recipe.ts                             40 steps of 4 x 256 tokens, seeds 1 and 2
 *   npx tsx bench/recipe.ts --set long --steps 400      the longer run
 *   npx tsx bench/recipe.ts --only htc,ztt              those alone
 *
 * A result is added to runs/recipe/STEPS.jsonl once it is there, and is not computed again: a bench that was stopped
 * goes on. The tables are of all that the file has.
 */
import {appendFile, mkdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {
  convert,
  finetune,
  load,
  Tokenizer,
  type ConvertOptions,
  type FinetuneOptions,
  type Layout,
  type Model,
} from '../src/index.js';
import {evaluateHeldOut} from '../src/score/index.js';
import {table} from '../src/ui/index.js';
import {exitsAt, THRESHOLDS, type ExitsAtLength} from './recipe-exits.js';

interface Recipe {
  layout: Layout;
  init?: Pick<ConvertOptions, 'zeroInit' | 'zeroInitBeta'>;
  training?: Partial<FinetuneOptions>;
}

const PLAIN = {exitObjective: 'off'} as const;
const ALIGNED = {zeroInit: 'aligned', zeroInitBeta: 1} as const;

/** By their names in the tables. `ztt` is the default recipe over aligned keys with beta 1. */
const RECIPES: Record<string, Recipe> = {
  vanilla: {layout: 'vanilla'},
  htc: {layout: 'htc'},
  ztt: {layout: 'ztt', init: ALIGNED},
  'plain normal': {layout: 'ztt', training: PLAIN},
  'plain zeros': {layout: 'ztt', init: {zeroInit: 'zeros'}, training: PLAIN},
  'plain aligned 1': {layout: 'ztt', init: ALIGNED, training: PLAIN},
  'plain aligned 4': {layout: 'ztt', init: {zeroInit: 'aligned'}, training: PLAIN},
  normal: {layout: 'ztt'},
  zeros: {layout: 'ztt', init: {zeroInit: 'zeros'}},
  'aligned 4': {layout: 'ztt', init: {zeroInit: 'aligned'}},
  'margin 0': {layout: 'ztt', init: ALIGNED, training: {exitMargin: 0}},
  'by row': {layout: 'ztt', init: ALIGNED, training: {exitObjective: 'sequence'}},
  'keys x 1': {layout: 'ztt', init: ALIGNED, training: {lrMult: ['zero-keys=1']}},
  'no exit loss': {layout: 'ztt', init: ALIGNED, training: {exitLossWeight: 0}},
  '1-sqrt': {layout: 'ztt', init: ALIGNED, training: {cycleSchedule: 'curriculum'}},
  linear: {
    layout: 'ztt',
    init: ALIGNED,
    training: {cycleSchedule: 'curriculum', curriculumShape: 'linear'},
  },
  random: {layout: 'ztt', init: ALIGNED, training: {cycleSchedule: 'random'}},
};

/** The recipes of each set; `--only` chooses others. */
const SETS: Record<string, string[]> = {all: Object.keys(RECIPES), long: ['vanilla', 'htc', 'ztt']};

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const SOURCE = fixture('gpt2-books');
const FOLDER = fileURLToPath(new URL('../runs/recipe', import.meta.url));
/** The second half of each window is scored; the first decides its exit. */
const WINDOW = {window: 256, context: 128, limit: 48};

interface Result {
  recipe: string;
  seed: number;
  steps: number;
  /** Mean cross-entropy of the held-out text in nats: of the source, after converting, and after fine-tuning. */
  source: number;
  converted: number;
  /** By threshold, with the slots run. */
  tuned: Record<string, {loss: number; slots: number}>;
  exits: ExitsAtLength[];
  seconds: number;
}

const {values: flags} = parseArgs({
  options: {
    set: {type: 'string', default: 'all'},
    only: {type: 'string'},
    steps: {type: 'string', default: '40'},
    seeds: {type: 'string', default: '1,2'},
    batch: {type: 'string', default: '4'},
    engine: {type: 'string', default: 'native'},
    threads: {type: 'string'},
  },
});
const engine = {engine: flags.engine, threads: flags.threads ? Number(flags.threads) : undefined};
const steps = Number(flags.steps);
const file = join(FOLDER, `${steps}.jsonl`);
const tokens = await heldOutTokens();

async function heldOutTokens(): Promise<number[]> {
  const tokenizer = await Tokenizer.load(SOURCE);
  return tokenizer.encode(await readFile(fixture('books_heldout.txt'), 'utf8'));
}

async function results(): Promise<Result[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Result);
}

async function lossAt(model: Model, threshold: number): Promise<{loss: number; slots: number}> {
  const {perplexity, mean_slots: slots} = await evaluateHeldOut(model, tokens, {...WINDOW, threshold});
  return {loss: Math.log(perplexity), slots};
}

async function lossOf(folder: string): Promise<number> {
  const model = await load(folder, engine);
  const {loss} = await lossAt(model, 1);
  model.dispose();
  return loss;
}

async function run(name: string, seed: number, source: number): Promise<Result> {
  const {layout, init, training} = RECIPES[name]!;
  const began = performance.now();
  const work = join(FOLDER, `work-${process.pid}`);
  await rm(work, {recursive: true, force: true});
  const [converted, output] = [join(work, 'converted'), join(work, 'run')];
  await convert({
    source: SOURCE,
    output: converted,
    layout,
    cycles: layout === 'vanilla' ? 1 : 2,
    seed,
    ...init,
  });
  await finetune({
    model: converted,
    output,
    data: [fixture('books_train.txt')],
    steps,
    batchSize: Number(flags.batch),
    seqLen: 256,
    lr: 1e-4,
    seed,
    evalEvery: 0,
    saveEvery: steps,
    ...training,
    ...engine,
    onStep: ({step}) => process.stderr.write(`\r${name}, seed ${seed}: step ${step} of ${steps}  `),
  });
  const model = await load(output, engine);
  const tuned: Result['tuned'] = {};
  for (const threshold of layout === 'ztt' ? [...THRESHOLDS, 1] : [1]) {
    tuned[threshold] = await lossAt(model, threshold);
  }
  const exits = layout === 'ztt' ? await exitsAt(model, tokens) : [];
  model.dispose();
  const before = await lossOf(converted);
  await rm(work, {recursive: true});
  const seconds = (performance.now() - began) / 1000;
  return {recipe: name, seed, steps, source, converted: before, tuned, exits, seconds};
}

const right = (title: string) => ({title, align: 'right'}) as const;

function printTables(all: Result[]): void {
  const sorted = Object.keys(RECIPES).flatMap((name) =>
    all.filter(({recipe}) => recipe === name).sort((a, b) => a.seed - b.seed),
  );
  const losses = sorted.map(({recipe, seed, source, converted, tuned}) => {
    const full = tuned[1]!.loss;
    const cost = converted - source;
    const wonBack = cost > 0.01 ? `${((100 * (converted - full)) / cost).toFixed(0)} %` : '';
    const at = THRESHOLDS.map((P) =>
      tuned[P] ? `${tuned[P].loss.toFixed(4)} (${tuned[P].slots.toFixed(1)})` : '',
    );
    return [recipe, String(seed), converted.toFixed(4), full.toFixed(4), wonBack, ...at];
  });
  const titles = ['recipe', 'seed', 'converted', 'full depth', 'won back'];
  console.log(
    table(
      [
        {title: titles[0]!},
        ...titles.slice(1).map(right),
        ...THRESHOLDS.map((P) => right(`P = ${P} (slots)`)),
      ],
      losses,
    ),
  );
  const lines = sorted
    .filter(({exits}) => exits.length > 0)
    .map(({recipe, seed, exits}) => [recipe, String(seed), ...exits.map(summary)]);
  const lengths =
    sorted.find(({exits}) => exits.length > 0)?.exits.map(({length}) => `${length} tokens`) ?? [];
  console.log(
    `\nzero attention | texts that exit at P = ${THRESHOLDS.join(', ')} | nats a token if all exit | rank correlation of the two`,
  );
  console.log(table([{title: 'recipe'}, right('seed'), ...lengths.map(right)], lines));
}

/** A table's cell: the exits at one context length. */
function summary({zero, shares, cost, correlation}: ExitsAtLength): string {
  const exits = shares.map((share) => (100 * share).toFixed(0)).join(' ');
  return `${zero.mean.toFixed(2)} | ${exits} % | ${cost.toFixed(3)} | ${correlation.toFixed(2)}`;
}

const names = flags.only?.split(',') ?? SETS[flags.set];
const unknown = names?.filter((name) => !RECIPES[name]) ?? [flags.set];
if (!names || unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}; there are ${Object.keys(RECIPES).join('; ')}.`);
  process.exit(2);
}
await mkdir(FOLDER, {recursive: true});
let source: number | undefined;
for (const seed of flags.seeds.split(',').map(Number)) {
  for (const name of names) {
    if ((await results()).some((result) => result.recipe === name && result.seed === seed)) continue;
    source ??= await lossOf(SOURCE);
    await appendFile(file, `${JSON.stringify(await run(name, seed, source))}\n`);
  }
}
console.error();
printTables(await results());

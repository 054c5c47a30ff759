/**
 * GPT-2 small or medium as ztt with 2 cycles, B 4, T 256: loading, forward, and a training step (forward, backward,
 * clipping, AdamW), with peak memory, against PyTorch's eager mode where a Python with torch and safetensors is given.
 * Two processes on the same checkpoint take turns; medians, and the median of the ratios turn by turn.
 *
 *   npx tsx bench/training.ts [--python PATH] [--engine native] [--threads N] [--rounds N] [--model medium] [--batch-size N]
 *
 * On a GPU: --engine webgpu --device NAME --torch-device cuda --peak TFLOPS, the chip's of float32, whose share is told
 * then. The checkpoint has random weights and lies in the system's temporary folder while this runs.
 */
import {mkdtemp, rm} from 'node:fs/promises';
import {availableParallelism, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {convert, planFinetune} from '../src/index.js';
import {format, table} from '../src/ui/index.js';
import {GPT2, GPT2_MEDIUM, writeRandomSource} from './random-source.js';
import {median, Side} from './side.js';

const T = 256;
const MODELS: Record<string, typeof GPT2> = {small: GPT2, medium: GPT2_MEDIUM};

const {values: flags} = parseArgs({
  options: {
    python: {type: 'string'},
    engine: {type: 'string', default: 'native'},
    threads: {type: 'string', default: String(availableParallelism())},
    rounds: {type: 'string', default: '5'},
    model: {type: 'string', default: 'small'},
    'batch-size': {type: 'string', default: '4'},
    device: {type: 'string', default: ''},
    'torch-device': {type: 'string', default: 'cpu'},
    peak: {type: 'string'},
  },
});
const B = Number(flags['batch-size']);
const shape = MODELS[flags.model];
if (!shape) throw new Error(`--model is ${flags.model}; there are ${Object.keys(MODELS).join(', ')}`);
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const random = xoroshiro128plus(0);

const batch = () =>
  Array.from({length: B}, () =>
    Array.from({length: T}, () => Math.floor(uniformFloat64(random) * GPT2.vocab_size)),
  );

const folder = await mkdtemp(join(tmpdir(), 'ztt-bench-'));
try {
  await writeRandomSource(join(folder, 'source'), shape);
  const checkpoint = join(folder, 'ztt');
  await convert({source: join(folder, 'source'), output: checkpoint, layout: 'ztt', cycles: 2});
  const worker = [checkpoint, flags.engine, flags.threads, flags.device];
  const sides = [
    new Side('ours', process.execPath, [...process.execArgv, here('./training-worker.ts'), ...worker]),
  ];
  if (flags.python) {
    const args = [here('./training.py'), checkpoint, flags.threads, flags['torch-device']];
    sides.push(new Side('PyTorch', flags.python, args));
  }
  const run = {output: join(folder, 'run'), data: ['-'], steps: 1, batchSize: B, seqLen: T};
  const {flopsPerStep} = await planFinetune({...run, model: checkpoint, exitObjective: 'off'});
  const rows: string[][] = [];
  const compare = (what: string, measured: number[][], show: (value: number) => string) => {
    const ratio =
      measured.length > 1 ? median(measured[1]!.map((other, i) => other / measured[0]![i]!)) : null;
    rows.push([what, ...measured.map((each) => show(median(each))), ratio === null ? '' : ratio.toFixed(2)]);
  };
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  const askAll = (question: object) => Promise.all(sides.map((side) => side.ask(question)));
  for (const [ask, title] of [
    ['load', 'load 0.5 GB'],
    ['forward', 'forward (loss)'],
    ['step', 'training step'],
  ] as const) {
    const measured: number[][] = sides.map(() => []);
    for (let round = -1; round < Number(flags.rounds); round++) {
      const ids = batch();
      const losses: number[] = [];
      // Each goes first half of the time; round -1 warms up.
      const order = round % 2 ? [...sides.keys()].reverse() : [...sides.keys()];
      for (const i of order) {
        const answer = await sides[i]!.ask({ask, ids});
        if (answer.loss !== undefined) losses.push(answer.loss);
        if (round >= 0) measured[i]!.push(answer.seconds!);
      }
      if (losses.some((loss) => !(Math.abs(loss - losses[0]!) < 1e-3 * losses[0]!))) {
        throw new Error(`the two disagree: losses ${losses.join(' and ')}`);
      }
    }
    compare(title, measured, seconds);
    if (ask === 'load') continue;
    const flops = ask === 'step' ? flopsPerStep : flopsPerStep / 3;
    const rates = (work: number) => measured.map((each) => each.map((time) => work / time));
    rows.push([
      '  tokens a second',
      ...rates(B * T).map((each) => format.count(Math.round(median(each)))),
      '',
    ]);
    const peak = Number(flags.peak) * 1e12;
    const share = (rate: number) => (peak ? `, ${((100 * rate) / peak).toFixed(0)} % of the peak` : '');
    const told = rates(flops).map((each) => `${format.flops(median(each))}/s${share(median(each))}`);
    rows.push(['  FLOPs', ...told, '']);
  }
  compare(
    'peak memory',
    (await askAll({ask: 'memory'})).map((answer) => [answer.bytes!]),
    format.bytes,
  );
  for (const side of sides) side.end();
  const titles = ['', ...sides.map(({name}) => name), ...(sides.length > 1 ? ['PyTorch / ours'] : [])];
  console.log(
    `GPT-2 ${flags.model} as ztt, 2 cycles; B ${B}, T ${T}; engine ${flags.engine}, ${flags.threads} threads`,
  );
  console.log(
    table(
      titles.map((title, i) => ({title, align: i === 0 ? ('left' as const) : ('right' as const)})),
      rows.map((row) => row.slice(0, titles.length)),
    ),
  );
} finally {
  await rm(folder, {recursive: true, force: true});
}

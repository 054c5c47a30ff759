/**
 * Questions per second of `evaluate` against lm-evaluation-harness with Transformers, on the same questions, threads and
 * machine, at equal results: every log-likelihood is compared. Then what thresholds save of FLOPs and of time on the model
 * as ztt with 2 cycles.
 *
 *   npx tsx bench/evaluation.ts --model DIR --data DIR [--tasks piqa,lambada_openai] [--limit 200] [--python PATH] [--threads 2]
 *
 * DIR of --data has TASK.jsonl for each task. Without --python the harness is left out.
 */
import {spawnSync} from 'node:child_process';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {availableParallelism, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {z} from 'zod';
import {evaluate, openTask, prepareTask, scoreTask} from '../src/eval/index.js';
import {convert, load} from '../src/index.js';
import {Tokenizer} from '../src/tokenizer/index.js';
import {table} from '../src/ui/index.js';

const {values: flags} = parseArgs({
  options: {
    model: {type: 'string'},
    data: {type: 'string'},
    tasks: {type: 'string', default: 'piqa,lambada_openai'},
    limit: {type: 'string', default: '200'},
    python: {type: 'string'},
    threads: {type: 'string', default: String(availableParallelism())},
  },
});
if (!flags.model || !flags.data) throw new Error('give --model and --data');
const {model: source, data: dataFolder} = flags;
const tasks = flags.tasks.split(',');
const [limit, threads] = [Number(flags.limit), Number(flags.threads)];

const harnessSchema = z.object({
  seconds: z.number(),
  rows: z.record(z.string(), z.array(z.object({ll: z.array(z.number())}))),
});

const folder = await mkdtemp(join(tmpdir(), 'ztt-bench-'));
try {
  const tokenizer = await Tokenizer.load(source);
  const model = await load(source, {engine: 'native', threads});
  const began = performance.now();
  let questions = 0;
  const answers = new Map<string, number[][]>();
  for (const name of tasks) {
    const task = await openTask(name, {dataFolder, limit});
    const {outcomes} = await scoreTask(model, prepareTask(task, tokenizer, model));
    questions += outcomes.length;
    answers.set(
      name,
      outcomes.map((outcome) => outcome.logLikelihoods),
    );
  }
  const seconds = (performance.now() - began) / 1000;
  model.dispose();
  console.log(
    `ours     ${(questions / seconds).toFixed(1)} questions/s (${questions} in ${seconds.toFixed(2)} s)`,
  );
  if (flags.python) {
    const out = join(folder, 'harness.json');
    const script = fileURLToPath(new URL('./evaluation.py', import.meta.url));
    const args = [script, source, dataFolder, out, flags.threads, flags.limit, ...tasks];
    const {status, stderr} = spawnSync(flags.python, args, {encoding: 'utf8'});
    if (status !== 0) throw new Error(stderr.slice(-2000));
    const harness = harnessSchema.parse(JSON.parse(await readFile(out, 'utf8')));
    let worst = 0;
    for (const [name, rows] of Object.entries(harness.rows)) {
      for (const [row, {ll}] of rows.entries()) {
        for (const [i, value] of ll.entries()) {
          const apart =
            Math.abs(answers.get(name)![row]![i]! - value) / Math.max(1e-4, 1e-6 * Math.abs(value));
          if (!(apart <= worst)) worst = apart;
        }
      }
    }
    console.log(
      `harness  ${(questions / harness.seconds).toFixed(1)} questions/s (${harness.seconds.toFixed(2)} s); ours are ${(harness.seconds / seconds).toFixed(1)} times as many`,
    );
    console.log(`the farthest log-likelihood is ${worst.toFixed(3)} of max(1e-4, 1e-6 |ll|) away`);
  }

  const converted = join(folder, 'ztt');
  await convert({source, output: converted, layout: 'ztt', cycles: 2});
  const ztt = await load(converted, {engine: 'native', threads});
  const report = await evaluate(ztt, tokenizer, {
    tasks: tasks.slice(0, 1),
    taskData: {dataFolder},
    limit,
    thresholds: [1, 0.3, 0.1, 0.001],
    timedQuestions: Math.min(limit, 100),
  });
  ztt.dispose();
  const [full] = report.ztt.thresholds;
  const saved = (part: number, whole: number) => `${(100 * (1 - part / whole)).toFixed(1)} %`;
  const rows = report.ztt.thresholds.map((at) => [
    String(at.threshold),
    saved(at.flops_ratio_to_source, full!.flops_ratio_to_source),
    saved(at.timing!.batched_seconds, full!.timing!.batched_seconds),
    saved(at.timing!.single_seconds, full!.timing!.single_seconds),
  ]);
  const titles = ['threshold', 'FLOPs saved', 'time saved, batched', 'time saved, alone'];
  console.log(
    table(
      titles.map((title) => ({title, align: 'right'})),
      rows,
    ),
  );
} finally {
  await rm(folder, {recursive: true, force: true});
}

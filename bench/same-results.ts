/**
 * Compares what two built checkouts write and print for the same inputs: conversions, ten steps of training,
 * evaluation, generation, export and the plan of a push, on a GPT-2 and an OPT fixture.
 *
 *   npx tsx bench/same-results.ts --base ../other-checkout [--only PATTERN]
 *
 * Every file is compared byte by byte. In text, what differs between any two runs is taken out first: times, speeds,
 * sizes of memory, process ids and the folders' paths. Prints a line for each command, and exits 1 where any differs
 * or fails.
 */
import {spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, relative, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const {values} = parseArgs({options: {base: {type: 'string'}, only: {type: 'string'}}});
if (!values.base) {
  console.error('Name the other checkout: --base DIR');
  process.exit(2);
}
const checkouts = {base: resolve(values.base), here: HERE};
const fixtures = join(HERE, 'fixtures');

/** The commands of one source, in the order in which they need each other's outputs. */
function commandsOf(name: string, source: string, layers: string[]): Record<string, string[]> {
  const train = ['--data', join(fixtures, 'books_train.txt'), '--threads', '2', '--engine', 'native'];
  const short = [
    '--steps',
    '10',
    '--batch-size',
    '2',
    '--seq-len',
    '32',
    '--warmup',
    '2',
    '--eval-every',
    '5',
  ];
  const tasks = ['--tasks', join(fixtures, 'books_word_order.jsonl'), '--limit', '20', '--time', '1'];
  const of = (suffix: string) => `${name}-${suffix}`;
  return {
    [of('info-source')]: ['info', source, '--json'],
    [of('plan')]: ['convert', source, '-o', of('never'), ...layers, '--cycles', '2', '--dry-run', '--json'],
    [of('ztt')]: [
      'convert',
      source,
      '-o',
      of('ztt'),
      ...layers,
      '--cycles',
      '2',
      '--verify',
      'logits',
      '--json',
    ],
    [of('htc')]: [
      'convert',
      source,
      '-o',
      of('htc'),
      ...layers,
      '--layout',
      'htc',
      '--dtype',
      'bfloat16',
      '--json',
    ],
    [of('bc')]: ['convert', source, '-o', of('bc'), '--layout', 'bc', '--max-shard-size', '1MB', '--json'],
    [of('info')]: ['info', of('ztt'), '--json'],
    [of('run')]: ['finetune', of('ztt'), '-o', of('run'), ...train, ...short, '--json'],
    [of('run-token')]: [
      ...['finetune', of('ztt'), '-o', of('run-token'), ...train, ...short, '--exit-objective', 'token'],
      ...['--cycle-schedule', 'random', '--accumulate', '2', '--json'],
    ],
    [of('lora')]: ['finetune', of('ztt'), '-o', of('lora'), ...train, ...short, '--train', 'lora', '--json'],
    [of('merged')]: ['merge', of('lora'), '-o', of('merged'), '--json'],
    [of('eval')]: ['eval', of('run'), ...tasks, '--threshold', '0.05,0.3,1', '--json'],
    [of('eval-budget')]: ['eval', of('run'), ...tasks, '--budget', '1.3', '--json'],
    [of('greedy')]: [
      'generate',
      of('run'),
      '--prompt',
      'It was a dark',
      '--threshold',
      '0.2',
      '--show-depth',
      '--json',
    ],
    [of('sampled')]: [
      'generate',
      of('run'),
      '--prompt',
      'Once',
      '--temperature',
      '0.8',
      '--seed',
      '7',
      '--json',
    ],
    [of('wasm')]: ['generate', of('run'), '--prompt', 'Once', '--engine', 'wasm', '--json'],
    [of('onnx')]: ['export', of('run'), '-o', of('onnx'), '--json'],
    [of('reverted')]: ['revert', of('run'), '-o', of('reverted'), '--unroll', '--drop-zero-tokens', '--json'],
    [of('push-plan')]: ['push', of('run'), 'someone/model', '--dry-run', '--json'],
  };
}

/** Keys whose numbers are measured, so that they differ from run to run. */
const MEASURED =
  /"(?:[a-z_]*(?:time|seconds|ms|per_second|perSecond|elapsed|memory|rss|date|created|started|ended|pid|host|peak|free)[A-Za-z_]*)": ?(?:-?[\d.e+-]+|"[^"]*"|null)/gi;

function withoutMeasured(text: string, folder: string, checkout: string): string {
  return text
    .replaceAll(folder, '<folder>')
    .replaceAll(checkout.replace(/\/$/, ''), '<checkout>')
    .replaceAll(HERE.replace(/\/$/, ''), '<checkout>')
    .replace(MEASURED, '<measured>')
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, '<date>');
}

/** Each file below a folder with the hash of what it holds. */
function filesOf(folder: string, checkout: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(folder, {recursive: true, withFileTypes: true})) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    const isText = /\.(json|jsonl|md|yaml|txt|html|py)$/.test(path);
    const content = isText ? withoutMeasured(bytes.toString(), folder, checkout) : bytes;
    // TensorBoard's events hold the time of each step.
    const name = relative(folder, path).replace(/events\.out\.tfevents.*/, 'events');
    if (!name.endsWith('events')) found.set(name, createHash('sha256').update(content).digest('hex'));
  }
  return found;
}

type Outcome = {status: number | null; stdout: string; stderr: string};

function runAll(checkout: string, folder: string): Map<string, Outcome> {
  const commands = {
    ...commandsOf('gpt2', join(fixtures, 'gpt2-books'), []),
    ...commandsOf('opt', join(fixtures, 'opt-tiny'), ['--head', '1', '--tail', '0']),
  };
  const outcomes = new Map<string, Outcome>();
  for (const [name, command] of Object.entries(commands)) {
    if (values.only && !new RegExp(values.only).test(name)) continue;
    const {status, stdout, stderr} = spawnSync(process.execPath, [join(checkout, 'bin/run.js'), ...command], {
      cwd: folder,
      encoding: 'utf8',
      env: {...process.env, NO_COLOR: '1', HF_HUB_OFFLINE: '1', HF_HOME: join(folder, '.hf')},
      maxBuffer: 1 << 28,
    });
    outcomes.set(name, {status, stdout: withoutMeasured(stdout, folder, checkout), stderr});
  }
  return outcomes;
}

const folders = {
  base: mkdtempSync(join(tmpdir(), 'ztt-same-')),
  here: mkdtempSync(join(tmpdir(), 'ztt-same-')),
};
const base = runAll(checkouts.base, folders.base);
const here = runAll(checkouts.here, folders.here);
let different = 0;
for (const [name, now] of here) {
  const before = base.get(name)!;
  const same = before.status === 0 && now.status === 0 && before.stdout === now.stdout;
  if (!same) different += 1;
  console.log(`${same ? 'same' : 'DIFFERENT'}  ${name}  exit ${before.status} ${now.status}`);
  if (before.stdout !== now.stdout) showDifference(before.stdout, now.stdout);
  if (now.status !== 0) console.log(now.stderr.trim().split('\n').slice(-2).join('\n'));
}
const filesBefore = filesOf(folders.base, checkouts.base);
const filesNow = filesOf(folders.here, checkouts.here);
for (const name of new Set([...filesBefore.keys(), ...filesNow.keys()])) {
  if (name.startsWith('.hf') || filesBefore.get(name) === filesNow.get(name)) continue;
  different += 1;
  console.log(
    `DIFFERENT  file ${name}${filesBefore.has(name) ? '' : ' (only here)'}${filesNow.has(name) ? '' : ' (only there)'}`,
  );
}
console.log(`${here.size} commands, ${filesNow.size} files, ${different} differences`);
if (different > 0) console.log(`Look into ${folders.base} and ${folders.here}.`);
else for (const folder of Object.values(folders)) rmSync(folder, {recursive: true});
process.exitCode = different > 0 ? 1 : 0;

/** Prints the first lines that differ. */
function showDifference(before: string, now: string): void {
  const [a, b] = [before.split('\n'), now.split('\n')];
  const at = a.findIndex((line, i) => line !== b[i]);
  console.log(`    - ${a[at]?.slice(0, 200)}\n    + ${b[at]?.slice(0, 200)}`);
}

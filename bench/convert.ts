/**
 * Conversions of a GPT-2 medium of 1.4 GB in float32, beside a plain copy of it (`cp`, then fsync): seconds, ratio, and
 * peak memory. All take turns; medians, and the median of the ratios turn by turn.
 *
 *   npm run build && npx tsx bench/convert.ts [--rounds N] [--folder DIR] [--cold]
 *
 * The files lie in DIR, the system's temporary folder unless given, while this runs: 8 GB a round, since no output is
 * removed before the end. A virtual machine may give the memory of removed files back to its host, and pays a second a
 * gigabyte to have it again: whoever came right after would be told faster than he is. --cold empties the system's cache
 * of files before each (Linux, as root), so that sources come from the disk.
 */
import {spawn} from 'node:child_process';
import {cp, mkdtemp, open, rm, writeFile} from 'node:fs/promises';
import {loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {format, table} from '../src/ui/index.js';
import {GPT2_MEDIUM, writeRandomSource} from './random-source.js';

const {values: flags} = parseArgs({
  options: {
    rounds: {type: 'string', default: '3'},
    folder: {type: 'string', default: tmpdir()},
    cold: {type: 'boolean', default: false},
  },
});
const ZTT = fileURLToPath(new URL('../bin/run.js', import.meta.url));
/** Tells the peak memory of a process as it ends, in kilobytes. */
const TELL_MEMORY =
  "data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))";

interface Run {
  seconds: number;
  /** Peak memory; null where it was not asked. */
  bytes: number | null;
}

async function timed(command: string, args: string[]): Promise<Run> {
  const began = performance.now();
  const child = spawn(command, args, {stdio: ['ignore', 'ignore', 'pipe']});
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${told}`);
  const peak = /peak (\d+)$/.exec(told)?.[1];
  return {seconds: (performance.now() - began) / 1000, bytes: peak ? 1024 * Number(peak) : null};
}

const folder = await mkdtemp(join(flags.folder, 'ztt-bench-'));
const source = join(folder, 'source');
/** The output folder of the next run. */
let output = '';

async function copy(): Promise<Run> {
  const {seconds} = await timed('cp', ['-r', source, output]);
  const began = performance.now();
  const handle = await open(join(output, 'model.safetensors'));
  await handle.sync();
  await handle.close();
  return {seconds: seconds + (performance.now() - began) / 1000, bytes: null};
}

const ztt = (...args: string[]) => timed(process.execPath, ['--import', TELL_MEMORY, ZTT, ...args]);
const convert = (...more: string[]) => ztt('convert', source, '--output', output, ...more);
const RUNS: [name: string, run: () => Promise<Run>][] = [
  ['cp, fsync', copy],
  ['ztt convert', () => convert()],
  ['  --verify none', () => convert('--verify', 'none')],
  ['  --max-shard-size 200MB', () => convert('--max-shard-size', '200MB')],
  ['  --dtype bfloat16', () => convert('--dtype', 'bfloat16')],
  ['  --middle-layers 11 --share average', () => convert('--middle-layers', '11', '--share', 'average')],
  ['ztt info', () => ztt('info', source)],
];

const median = (values: number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1]!;

try {
  await writeRandomSource(source, GPT2_MEDIUM);
  // A first copy, so that the source is on the disk and every round is like the others.
  await cp(source, join(folder, 'first'), {recursive: true});
  const runs = RUNS.map((): Run[] => []);
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [i, [, run]] of RUNS.entries()) {
      output = join(folder, `output-${round}-${i}`);
      if (flags.cold) await writeFile('/proc/sys/vm/drop_caches', '3');
      runs[i]!.push(await run());
    }
  }
  const rows = RUNS.map(([name], i) => {
    const seconds = runs[i]!.map((run) => run.seconds);
    const ratios = seconds.map((each, round) => each / runs[0]![round]!.seconds);
    const bytes =
      runs[i]![0]!.bytes === null ? '' : format.bytes(Math.max(...runs[i]!.map((run) => run.bytes!)));
    return [name, `${median(seconds).toFixed(2)} s`, format.ratio(median(ratios)), bytes];
  });
  const columns = ['', 'time', 'of cp', 'peak memory'];
  console.log(
    `GPT-2 medium, 1.42 GB, ${flags.cold ? 'cold' : 'warm'} cache; load of the machine ${loadavg()[0]!.toFixed(1)}`,
  );
  console.log(
    table(
      columns.map((title, i) => ({title, align: i > 0 ? 'right' : 'left'})),
      rows,
    ),
  );
} finally {
  await rm(folder, {recursive: true, force: true});
}

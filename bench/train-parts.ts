/**
 * Measures a training step for each trainable part: seconds, processor seconds, and the memory that it adds, weights
 * included. Each part runs in a process of its own.
 *
 *   npx tsx bench/train-parts.ts MODEL [--engine native] [--threads N] [--rows 4] [--tokens 256] [--steps 3]
 */
import {execFileSync} from 'node:child_process';
import {availableParallelism} from 'node:os';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {z} from 'zod';
import {loraSettings, newLora} from '../src/finetune/settings/lora-options.js';
import {runSettings} from '../src/finetune/settings/options.js';
import {Trainer} from '../src/finetune/step/trainer.js';
import {load, readModelConfig} from '../src/index.js';
import {format, table} from '../src/ui/index.js';

const PARTS = ['all', 'middle', 'lora', 'zero-tokens+norms', 'zero-tokens'];

const {values: flags, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    engine: {type: 'string', default: 'native'},
    threads: {type: 'string', default: String(availableParallelism())},
    rows: {type: 'string', default: '4'},
    tokens: {type: 'string', default: '256'},
    steps: {type: 'string', default: '3'},
    /** Measures one part in this process. */
    train: {type: 'string'},
  },
});
const [model] = positionals as [string];
const [B, T, steps] = [Number(flags.rows), Number(flags.tokens), Number(flags.steps)];
const measured = z.object({seconds: z.number(), cpu: z.number(), bytes: z.number(), trained: z.number()});

/** A step's medians, and the most memory that the process took beyond what the engine itself takes. */
async function measure(train: string): Promise<z.output<typeof measured>> {
  const options = {model, output: '', data: ['-'], batchSize: B, seqLen: T, train};
  const config = await readModelConfig(model);
  const settings = {
    ...runSettings(options, config),
    ...loraSettings(options, config),
  };
  const {engine} = flags;
  const threads = Number(flags.threads);
  const before = process.memoryUsage().rss;
  const loaded = await load(model, {engine, threads, lora: newLora(settings)});
  const trainer = new Trainer(loaded, settings);
  const moments = [...trainer.moments()].filter(([name]) => name.startsWith('mean.'));
  const rows = (step: number) =>
    Array.from({length: B}, (_, row) =>
      Array.from({length: T}, (_, i) => (step * 7919 + row * 131 + i * 17) % config.arch.vocabulary),
    );
  const times: {seconds: number; cpu: number}[] = [];
  for (let step = 1; step <= steps; step++) {
    const [begun, used] = [performance.now(), process.cpuUsage()];
    await trainer.step(step, rows(step));
    const {user, system} = process.cpuUsage(used);
    times.push({seconds: (performance.now() - begun) / 1000, cpu: (user + system) / 1e6});
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  return {
    seconds: median(times.map(({seconds}) => seconds)),
    cpu: median(times.map(({cpu}) => cpu)),
    bytes: process.resourceUsage().maxRSS * 1024 - before,
    trained: moments.reduce((n, [, variable]) => n + variable.size, 0),
  };
}

if (flags.train !== undefined) {
  process.stdout.write(JSON.stringify(await measure(flags.train)));
} else {
  const script = fileURLToPath(import.meta.url);
  const given = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const rows = PARTS.map((train) => {
    const args = ['--import', 'tsx', script, model, ...given, '--train', train];
    const out = execFileSync(process.execPath, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return {train, ...measured.parse(JSON.parse(out))};
  });
  const numbers = ['trained', 'memory', 's a step', 'processor s', 'tokens/s'];
  console.log(
    table(
      [{title: 'train'}, ...numbers.map((title) => ({title, align: 'right' as const}))],
      rows.map(({train, trained, bytes, seconds, cpu}) => [
        train,
        format.count(trained),
        format.bytes(bytes),
        seconds.toFixed(2),
        cpu.toFixed(2),
        format.count(Math.round((B * T) / seconds)),
      ]),
    ),
  );
}

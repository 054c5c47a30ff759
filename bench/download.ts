/**
 * The download of a checkpoint from a Hub on this machine, beside writing and hashing as many bytes, and beside Node's
 * fetch into a file: seconds, megabytes per second, and peak memory above that of the same process before it began.
 * All take turns; medians.
 *
 *   npx tsx bench/download.ts [--megabytes 1000] [--rounds 3]
 */
import {spawn} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {mkdtemp, open, rm} from 'node:fs/promises';
import {loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {fetchModel} from '../src/hub/index.js';
import {format, table} from '../src/ui/index.js';
import {CONFIG} from '../test/helpers/hub-repos.js';
import {HubServer} from '../test/helpers/hub-server.js';

const {values: flags} = parseArgs({
  options: {
    megabytes: {type: 'string', default: '1000'},
    rounds: {type: 'string', default: '3'},
    /** In a process of its own: what to measure, and where the Hub is. */
    measure: {type: 'string'},
    endpoint: {type: 'string'},
    object: {type: 'string'},
    folder: {type: 'string'},
  },
});
const BYTES = Number(flags.megabytes) * 1e6;

/** Writes and hashes bytes as they come, and flushes them to the disk. */
async function keep(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  const handle = await open(join(flags.folder!, 'file'), 'w');
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    await handle.write(chunk);
  }
  hash.digest();
  await handle.sync();
  await handle.close();
}

function* madeUp(): Generator<Uint8Array> {
  const chunk = randomBytes(64 << 10);
  for (let done = 0; done < BYTES; done += chunk.length) yield chunk;
}

const MEASURES: Record<string, () => Promise<unknown>> = {
  'hash and write': () => keep(madeUp()),
  "Node's fetch, hashed": async () =>
    keep((await fetch(flags.object!)).body as unknown as AsyncIterable<Uint8Array>),
  fetchModel: () => fetchModel('ann/large', {endpoint: flags.endpoint, cache: flags.folder, env: {}}),
};

interface Measured {
  seconds: number;
  /** Processor seconds of this process. */
  cpuSeconds: number;
  /** Peak memory above what there was before. */
  bytes: number;
}

/** Measures one in this process, and tells it on stdout. */
async function measure(name: string): Promise<void> {
  // A request for a missing model makes the library load its modules before the clock starts.
  await fetchModel('ann/none', {endpoint: flags.endpoint, cache: flags.folder, env: {}}).catch(() => {});
  globalThis.gc?.();
  const base = process.memoryUsage.rss();
  // The system's own count of the peak begins with that of the parent, which holds the file.
  let peak = base;
  const sampling = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await MEASURES[name]!();
  clearInterval(sampling);
  const {user, system} = process.cpuUsage(cpu);
  const measured: Measured = {
    seconds: (performance.now() - began) / 1000,
    cpuSeconds: (user + system) / 1e6,
    bytes: peak - base,
  };
  console.log(JSON.stringify(measured));
}

async function inOwnProcess(name: string, endpoint: string, object: string): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'ztt-bench-'));
  const words = ['--measure', name, '--endpoint', endpoint, '--object', object, '--folder', folder];
  const file = fileURLToPath(import.meta.url);
  const child = spawn(
    process.execPath,
    ['--expose-gc', ...process.execArgv, file, ...words, '--megabytes', flags.megabytes],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let told = '';
  child.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
  await new Promise((resolve) => child.on('close', resolve));
  await rm(folder, {recursive: true});
  return JSON.parse(told) as Measured;
}

const median = (values: number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1]!;

async function run(): Promise<void> {
  const server = await HubServer.start({token: '', namespaces: []});
  server.addFiles('ann/large', {'config.json': CONFIG, 'model.safetensors': randomBytes(BYTES)});
  const {files} = server.repos.get('ann/large')!.commits.at(-1)!;
  const sha256 = createHash('sha256').update(files.get('model.safetensors')!.content).digest('hex');
  const object = `${server.storage.origin}/objects/${sha256}?signature=s1gnature`;
  const names = Object.keys(MEASURES);
  const runs = names.map((): Measured[] => []);
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [i, name] of names.entries()) runs[i]!.push(await inOwnProcess(name, server.endpoint, object));
  }
  await server.stop();
  const rows = names.map((name, i) => {
    const of = (value: (one: Measured) => number) => median(runs[i]!.map(value));
    const seconds = of((one) => one.seconds);
    const rate = `${format.bytes(BYTES / seconds)}/s`;
    const cpu = `${of((one) => one.cpuSeconds).toFixed(2)} s`;
    return [name, `${seconds.toFixed(2)} s`, rate, cpu, format.bytes(of((one) => one.bytes))];
  });
  const right = ['seconds', 'rate', 'processor', 'memory'].map((title) => ({title, align: 'right'}) as const);
  console.log(`${format.bytes(BYTES)}; load ${loadavg()[0]!.toFixed(1)}`);
  console.log(table([{title: ''}, ...right], rows));
}

await (flags.measure ? measure(flags.measure) : run());

import {existsSync, readFileSync, readdirSync} from 'node:fs';
import {cp, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {beforeAll, expect, it} from 'vitest';
import {Checkpoint, convert, ZttError} from '../../src/index.js';
import {Op} from '../../src/checkpoint/torch/pickle-opcodes.js';
import {FULL} from '../helpers/matrix.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

/** Processor time that one input may take: what the clock says depends on what else the machine does. */
const MAX_CPU_SECONDS = 2;
/** Of the changes to a checkpoint, how many there are for one that is tried: `npm run test:full` tries all. */
const EVERY = FULL ? 1 : 3;
/** What all inputs together may add to the memory that the process ever had. */
const MAX_GROWTH = 400 << 20;

const temp = sharedTempFolder();
let rssAtStart: number;
beforeAll(() => {
  rssAtStart = process.resourceUsage().maxRSS * 1024;
});

/** A change to one file of a good checkpoint. */
interface Mutation {
  what: string;
  bytes: Uint8Array | string;
}

/**
 * Converts a good checkpoint with each change in turn. A change is refused with an error of ours, or what it made is
 * converted, read back and verified, and has the tensors of the good one.
 * @returns how many would be refused if all were tried
 */
async function refusals(source: string, file: string, mutations: Iterable<Mutation>): Promise<number> {
  const folder = temp.path('source');
  const output = temp.path('out');
  await cp(source, folder, {recursive: true});
  const names = await tensorNames(folder);
  const wrong: string[] = [];
  let [seen, refused] = [0, 0];
  for (const {what, bytes} of mutations) {
    if (seen++ % EVERY !== 0) continue;
    await writeFile(join(folder, file), bytes);
    const start = process.cpuUsage();
    try {
      await convert({source: folder, output, layout: 'vanilla'});
      if ((await tensorNames(folder)) !== names) wrong.push(`${what}: other tensors`);
      await rm(output, {recursive: true});
    } catch (error) {
      refused += 1;
      if (!(error instanceof ZttError) || error.exitCode !== 1) wrong.push(`${what}: ${String(error)}`);
    }
    const {user, system} = process.cpuUsage(start);
    if ((user + system) / 1e6 > MAX_CPU_SECONDS) wrong.push(`${what}: took too long`);
    if (readdirSync(temp.path()).join() !== 'source') wrong.push(`${what}: left something behind`);
  }
  await rm(folder, {recursive: true});
  expect(wrong).toEqual([]);
  expect(existsSync('executed')).toBe(false);
  expect(process.resourceUsage().maxRSS * 1024 - rssAtStart).toBeLessThan(MAX_GROWTH);
  return EVERY * refused;
}

async function tensorNames(folder: string): Promise<string> {
  const checkpoint = await Checkpoint.open(folder);
  await checkpoint.close();
  return [...checkpoint.tensors.keys()].sort().join();
}

/** Whole numbers from a seed. */
function dice(seed: number): (below: number) => number {
  const random = xoroshiro128plus(seed);
  return (below) => uniformInt(random, 0, below - 1);
}

/** A file with one to three bytes at random places changed, cut out or doubled. */
function* blindly(
  good: Buffer,
  count: number,
  seed: number,
  from = 0,
  to = good.length,
): Generator<Mutation> {
  const roll = dice(seed);
  for (let i = 0; i < count; i++) {
    const at = from + roll(to - from);
    const length = 1 + roll(3);
    const replacements = [
      Buffer.from(Array.from({length}, () => roll(256))),
      Buffer.alloc(0),
      Buffer.concat([good.subarray(at, at + length), good.subarray(at, at + length)]),
    ];
    const kind = roll(replacements.length);
    const bytes = Buffer.concat([good.subarray(0, at), replacements[kind]!, good.subarray(at + length)]);
    yield {what: `seed ${seed}, ${i}: ${length} bytes at ${at}, way ${kind}`, bytes};
  }
}

/** A field of a binary structure, and every value it is set to: none, one more, one fewer, all bits, the top bit. */
function* fieldOf(good: Buffer, name: string, at: number, length: number): Generator<Mutation> {
  const value = good.readUIntLE(at, Math.min(length, 6));
  const most = 256 ** Math.min(length, 6) - 1;
  for (const set of new Set([0, value + 1, value - 1, most, (most + 1) / 2])) {
    if (set === value || set < 0 || set > most) continue;
    const bytes = Buffer.from(good);
    bytes.writeUIntLE(set, at, Math.min(length, 6));
    if (length > 6) bytes.fill(set === most ? 255 : 0, at + 6, at + length);
    yield {what: `${name} = ${set}`, bytes};
  }
}

/** Values of every type, and numbers at the ends of what they may be. */
const VALUES = [
  ...[null, true, '', 'x', '1', [], [1], {}, {x: 1}],
  ...[0, -1, 1, 2, 0.5, 9999, 1e7, 1e9, 2 ** 31, 2 ** 53, 1e308],
];
/** What JSON.stringify does not write. */
const RAW_VALUES = ['NaN', '1e999', '-0', '1.0', '18446744073709551616', '9007199254740993'];

const MARK = '"@@"';

/** A JSON document with one place set to each value; `set` puts a mark there. */
function* jsonField<T>(good: T, name: string, set: (copy: T, mark: string) => void): Generator<Mutation> {
  const copy = structuredClone(good);
  set(copy, '@@');
  const text = JSON.stringify(copy);
  for (const value of [...VALUES.map((value) => JSON.stringify(value)), ...RAW_VALUES]) {
    yield {what: `${name} = ${value}`, bytes: text.replace(MARK, value)};
  }
}

type Json = Record<string, unknown>;
const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8')) as Json;

const families = (name: string) => join(FIXTURES, 'families', name);

it('safetensors files', async () => {
  const good = readFileSync(join(families('gpt2-untied'), 'model.safetensors'));
  const length = Number(good.readBigUInt64LE());
  const header = JSON.parse(good.toString('utf8', 8, 8 + length)) as Record<string, Json>;
  const data = good.subarray(8 + length);
  const file = (json: string | Uint8Array) => {
    const bytes = Buffer.from(json);
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(bytes.length));
    return Buffer.concat([prefix, bytes, data]);
  };
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  function* mutations(): Generator<Mutation> {
    yield* fieldOf(good, 'length', 0, 8);
    for (const name of [names[0]!, names.at(-1)!]) {
      const fields: [string, (copy: typeof header, mark: string) => void][] = [
        ['entry', (copy, mark) => Object.assign(copy, {[name]: mark})],
        ['dtype', (copy, mark) => (copy[name]!.dtype = mark)],
        ['shape', (copy, mark) => (copy[name]!.shape = mark)],
        ['size', (copy, mark) => ((copy[name]!.shape as unknown[])[0] = mark)],
        ['start', (copy, mark) => ((copy[name]!.data_offsets as unknown[])[0] = mark)],
        ['end', (copy, mark) => ((copy[name]!.data_offsets as unknown[])[1] = mark)],
      ];
      for (const [field, set] of fields) {
        for (const {what, bytes} of jsonField(header, `${name} ${field}`, set))
          yield {what, bytes: file(bytes)};
      }
    }
    for (const {what, bytes} of jsonField(header, 'metadata', (copy, mark) =>
      Object.assign(copy, {__metadata__: mark}),
    )) {
      yield {what, bytes: file(bytes)};
    }
    for (let cut = 0; cut < good.length; cut += 997) {
      yield {what: `cut at ${cut}`, bytes: good.subarray(0, cut)};
    }
    yield {what: 'one byte more', bytes: Buffer.concat([good, Buffer.alloc(1)])};
    yield* blindly(good, 60, 1, 0, 8 + length);
    yield* blindly(good, 10, 2);
  }
  expect(await refusals(families('gpt2-untied'), 'model.safetensors', mutations())).toBeGreaterThan(200);
});

it.each([
  [join(ORACLE, 'gpt2-sharded'), 'model.safetensors.index.json', 'model-00002-of-00008.safetensors'],
  [families('opt-sharded'), 'pytorch_model.bin.index.json', 'pytorch_model-00002-of-00002.bin'],
])('index files of %s', async (source, index, shard) => {
  const good = readJson(source, index) as {weight_map: Record<string, unknown>};
  const name = Object.keys(good.weight_map)[0]!;
  const paths = [
    '..',
    '.',
    '',
    '/',
    '\\',
    '\0',
    `../${shard}`,
    `./${shard}`,
    `/etc/${shard}`,
    `..\\${shard}`,
  ];
  const others = [
    'config.json',
    index,
    `missing-${shard}`,
    shard,
    `${shard}\0`,
    `x/${shard}`,
    `C:${shard}`,
    ' ',
  ];
  function* mutations(): Generator<Mutation> {
    for (const path of [...paths, ...others, 'a'.repeat(5000)]) {
      const map = {...good.weight_map, [name]: path};
      yield {what: `shard ${path}`, bytes: JSON.stringify({...good, weight_map: map})};
      const every = Object.fromEntries(Object.keys(map).map((key) => [key, path]));
      yield {what: `every shard ${path}`, bytes: JSON.stringify({...good, weight_map: every})};
    }
    yield* jsonField(good, 'weight_map', (copy, mark) => Object.assign(copy, {weight_map: mark}));
    yield* jsonField(good, 'a shard', (copy, mark) => (copy.weight_map[name] = mark));
    for (const key of ['__proto__', 'constructor', 'toString', '', 'a'.repeat(100_000)]) {
      const text = JSON.stringify({...good, weight_map: {'@@': shard, ...good.weight_map}});
      yield {what: `tensor ${key.slice(0, 20)}`, bytes: text.replace(MARK, JSON.stringify(key))};
    }
    const many = Array.from({length: 100_000}, (_, i) => [`x${i}`, `${i}${shard}`] as const);
    yield {what: 'many shards', bytes: JSON.stringify({weight_map: Object.fromEntries(many)})};
    const text = JSON.stringify(good);
    for (const whole of ['', '[]', 'null', '1', '"x"', '{}', '{"weight_map":{}}', '['.repeat(100_000)]) {
      yield {what: `index ${whole.slice(0, 20)}`, bytes: whole};
    }
    for (let cut = 1; cut < text.length; cut += 499) yield {what: `cut at ${cut}`, bytes: text.slice(0, cut)};
    yield* blindly(Buffer.from(text), 40, 3);
  }
  expect(await refusals(source, index, mutations())).toBeGreaterThan(90);
});

it('zip directories of torch files', async () => {
  const source = families('opt-untied');
  const good = readFileSync(join(source, 'pytorch_model.bin'));
  const end = good.length - 22;
  const directory = good.readUInt32LE(end + 16);
  const FIELDS: Record<string, [string, number, number][]> = {
    'end record': [
      ['signature', 0, 4],
      ['disk', 4, 2],
      ['entries here', 8, 2],
      ['entries', 10, 2],
      ['bytes', 12, 4],
      ['start', 16, 4],
      ['comment', 20, 2],
    ],
    'end64 record': [
      ['signature', 0, 4],
      ['size', 4, 8],
      ['entries', 32, 8],
      ['bytes', 40, 8],
      ['start', 48, 8],
    ],
    'end64 locator': [
      ['signature', 0, 4],
      ['start', 8, 8],
    ],
    entry: [
      ['signature', 0, 4],
      ['version', 4, 2],
      ['needed', 6, 2],
      ['flags', 8, 2],
      ['method', 10, 2],
      ['time', 12, 4],
      ['crc', 16, 4],
      ['stored', 20, 4],
      ['size', 24, 4],
      ['name', 28, 2],
      ['extra', 30, 2],
      ['comment', 32, 2],
      ['disk', 34, 2],
      ['attributes', 38, 4],
      ['header', 42, 4],
      ['first letter', 46, 1],
    ],
    'local header': [
      ['signature', 0, 4],
      ['flags', 6, 2],
      ['method', 8, 2],
      ['crc', 14, 4],
      ['stored', 18, 4],
      ['size', 22, 4],
      ['name', 26, 2],
      ['extra', 28, 2],
      ['first letter', 30, 1],
    ],
  };
  const records = ['/data.pkl', '/version', '/data/7'].map((ending) => {
    const at = good.lastIndexOf(ending);
    const entry = good.lastIndexOf('PK\u0001\u0002', at);
    return {ending, entry, header: good.readUInt32LE(entry + 42)};
  });
  function* mutations(): Generator<Mutation> {
    const structures: [string, string, number][] = [
      ['end record', 'end', end],
      ['end64 locator', 'locator', end - 20],
      ['end64 record', 'end64', end - 76],
      ...records.flatMap(({ending, entry, header}): [string, string, number][] => [
        ['entry', `entry of ${ending}`, entry],
        ['local header', `header of ${ending}`, header],
      ]),
    ];
    for (const [kind, name, at] of structures) {
      for (const [field, offset, length] of FIELDS[kind]!) {
        yield* fieldOf(good, `${name}: ${field}`, at + offset, length);
      }
    }
    yield* blindly(good, 60, 4, directory);
    for (let cut = 0; cut < good.length; cut += 1009) {
      yield {what: `cut at ${cut}`, bytes: good.subarray(0, cut)};
    }
    yield {what: 'bytes in front', bytes: Buffer.concat([Buffer.alloc(7), good])};
    yield {what: 'bytes behind', bytes: Buffer.concat([good, Buffer.alloc(7)])};
    yield {what: 'twice', bytes: Buffer.concat([good, good])};
  }
  expect(await refusals(source, 'pytorch_model.bin', mutations())).toBeGreaterThan(150);
});

/** Where the pickles of a torch file are: the record of a zip archive, or all in front of a legacy file's storages. */
async function pickleRange(folder: string, good: Buffer): Promise<[number, number]> {
  const start = good.indexOf(Buffer.of(Op.PROTO, 2));
  if (start > 0) {
    const entry = good.lastIndexOf('PK\u0001\u0002', good.lastIndexOf('/data.pkl'));
    return [start, start + good.readUInt32LE(entry + 24)];
  }
  const checkpoint = await Checkpoint.open(folder);
  await checkpoint.close();
  const storages = [...checkpoint.tensors.values()].map(
    ({shape}) => 8 + 4 * shape.reduce((n, size) => n * size, 1),
  );
  return [0, good.length - storages.reduce((sum, bytes) => sum + bytes, 0)];
}

it.each([
  ['opt-untied', 5],
  ['opt-350m', 6],
])('pickles of %s', async (name, seed) => {
  const good = readFileSync(join(families(name), 'pytorch_model.bin'));
  const [start, end] = await pickleRange(families(name), good);
  const roll = dice(seed);
  function* mutations(): Generator<Mutation> {
    // Every operation that there is, and two bytes that are none, in place of bytes all over the pickle.
    for (const [op, code] of [...Object.entries(Op), ['none', 0] as const, ['none', 255] as const]) {
      for (const at of [start + 2, start + 2 + roll(400), start + 2 + roll(end - start - 2)]) {
        const bytes = Buffer.from(good);
        bytes[at] = code;
        yield {what: `${op} at ${at}`, bytes};
      }
    }
    // Whatever holds a length or a number in the first tensors.
    for (let at = start; at < start + 500; at += 11) yield* fieldOf(good, `32 bits at ${at}`, at, 4);
    yield* blindly(good, 120, seed + 10, start, end);
  }
  expect(await refusals(families(name), 'pytorch_model.bin', mutations())).toBeGreaterThan(200);
});

it.each([
  [
    'gpt2-untied',
    [
      'model_type',
      'vocab_size',
      'n_positions',
      'n_embd',
      'n_layer',
      'n_head',
      'n_inner',
      'layer_norm_epsilon',
    ],
  ],
  [
    'opt-projected-untied',
    [
      ...[
        'model_type',
        'vocab_size',
        'max_position_embeddings',
        'hidden_size',
        'num_hidden_layers',
        'ffn_dim',
      ],
      ...['num_attention_heads', 'word_embed_proj_dim', 'do_layer_norm_before', 'activation_function'],
    ],
  ],
])('config.json of %s', async (name, keys) => {
  const good = readJson(families(name), 'config.json');
  function* mutations(): Generator<Mutation> {
    for (const key of [
      ...keys,
      'architectures',
      'tie_word_embeddings',
      'eos_token_id',
      'quantization_config',
    ]) {
      yield* jsonField(good, key, (copy, mark) => (copy[key] = mark));
    }
    const text = JSON.stringify(good);
    for (const whole of [
      '',
      '[]',
      'null',
      '1',
      '"x"',
      '{}',
      '['.repeat(100_000),
      `{"x":${'{"x":'.repeat(9999)}`,
    ]) {
      yield {what: `config ${whole.slice(0, 20)}`, bytes: whole};
    }
    yield {what: '__proto__', bytes: text.replace('{', '{"__proto__":{"n_layer":1},')};
    yield* blindly(Buffer.from(text), 60, 7);
  }
  expect(await refusals(families(name), 'config.json', mutations())).toBeGreaterThan(100);
});

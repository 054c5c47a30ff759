import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {open, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect, it} from 'vitest';
import {z} from 'zod';
import {FormatError, SafetensorsFile} from '../../../src/index.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {sharedTempFolder} from '../../helpers/temp.js';

const VERDICTS = join(FIXTURES, 'safetensors-verdicts.json');

const caseSchema = z.strictObject({
  kind: z.string(),
  header: z.string().optional(),
  base64: z.string().optional(),
  /** Bytes after the header. */
  data: z.number(),
  /** The header's length as the file tells it, where that is not so. */
  claimed: z.string().optional(),
  /** The tensors by name, as JSON: [dtype, ...shape]; null where the reference refuses the file. */
  accepted: z.string().nullable(),
});
type Case = z.output<typeof caseSchema>;

const CASES = z.array(caseSchema).parse(JSON.parse(readFileSync(VERDICTS, 'utf8')));

/**
 * What the reference implementation accepts and we refuse on purpose, by our words, and why. There is nothing that it
 * refuses and we accept.
 */
const STRICTER: {message: RegExp; why: string}[] = [
  {
    message: /a key is there twice/,
    why: "the format's README disallows duplicate keys; the reference takes the last of most",
  },
  {
    message: /no JSON object; this is no safetensors file/,
    why: 'the README: a header MUST begin with {; the reference skips white space before it',
  },
  {
    message: /needs dtype, shape and data_offsets/,
    why: 'entries and dtypes in forms that are no part of the format, but of its Rust parser, and sizes past 2^53',
  },
  {
    message: /has a NUL in it|without a NUL in them/,
    why: 'the reference refuses it too, in versions after 0.8',
  },
];

const temp = sharedTempFolder();

function bytesOf({header, base64, data, claimed}: Case): Buffer {
  const json = header === undefined ? Buffer.from(base64!, 'base64') : Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed === undefined ? BigInt(json.length) : BigInt(claimed));
  return Buffer.concat([length, json, Buffer.alloc(data)]);
}

/** The tensors as the fixture has them, or the words of a refusal. */
async function verdict(bytes: Buffer): Promise<{tensors: string} | {refusal: string}> {
  const path = temp.path('case.safetensors');
  await writeFile(path, bytes);
  try {
    const file = await SafetensorsFile.open(path);
    await file.close();
    const tensors = [...file.tensors.values()].map(
      ({name, dtype, shape}) => [name, [dtype, ...shape]] as const,
    );
    const sorted = tensors.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return {tensors: JSON.stringify(Object.fromEntries(sorted))};
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return {refusal: (error as FormatError).message};
  }
}

it('accepts and refuses what the reference implementation does, but for what is listed', async () => {
  const used = new Set<RegExp>();
  const wrong: unknown[] = [];
  for (const each of CASES) {
    const ours = await verdict(bytesOf(each));
    const same = 'tensors' in ours ? ours.tensors === each.accepted : each.accepted === null;
    if (same) continue;
    const stricter = 'refusal' in ours && STRICTER.find(({message}) => message.test(ours.refusal));
    if (stricter) used.add(stricter.message);
    else wrong.push({...each, ours});
  }
  expect(wrong).toEqual([]);
  expect([...used].length).toBe(STRICTER.length);
  expect(CASES.filter(({accepted}) => accepted !== null).length).toBeGreaterThan(100);
});

const PYTHON = process.env.ZTT_PYTHON;
it.skipIf(!PYTHON)(
  'has the verdicts that the reference gives now (ZTT_PYTHON: a Python with safetensors)',
  () => {
    const script = fileURLToPath(new URL('make_header_verdicts.py', import.meta.url));
    execFileSync(PYTHON!, [script, VERDICTS, '--check'], {stdio: 'pipe'});
  },
);

it('reads a tensor beyond 4 GiB, in a file that is a hole but for its ends', async () => {
  const size = 5 * 2 ** 30;
  const path = temp.path('large.safetensors');
  const header = JSON.stringify({
    large: {dtype: 'F32', shape: [size / 4], data_offsets: [0, size]},
    end: {dtype: 'F32', shape: [2], data_offsets: [size, size + 8]},
  });
  const start = Buffer.alloc(8 + header.length);
  start.writeBigUInt64LE(BigInt(header.length));
  start.write(header, 8);
  const handle = await open(path, 'w');
  await handle.write(start);
  await handle.write(Buffer.from(Float32Array.of(3, 4).buffer), 0, 8, start.length + size);
  await handle.close();
  const file = await SafetensorsFile.open(path);
  expect(file.size).toBeGreaterThan(2 ** 32);
  expect([...(await file.readFloat32('end'))]).toEqual([3, 4]);
  await file.close();
  await truncate(path, start.length + size + 7);
  await expect(SafetensorsFile.open(path)).rejects.toThrow(/"end" ends at byte .*; it is truncated/);
});

it('opens a header of 50,000 tensors in little time', async () => {
  const entries = Array.from({length: 50_000}, (_, i) => [
    `model.decoder.layers.${i}.self_attn.q_proj.weight`,
    {dtype: 'F16', shape: [1, 1], data_offsets: [2 * i, 2 * i + 2]},
  ]);
  const bytes = bytesOf({
    kind: '',
    header: JSON.stringify(Object.fromEntries(entries)),
    data: 100_000,
    accepted: null,
  });
  const begin = process.cpuUsage();
  expect(await verdict(bytes)).toHaveProperty('tensors');
  // Of the processor: what else runs on the machine does not count.
  const {user, system} = process.cpuUsage(begin);
  expect((user + system) / 1e6).toBeLessThan(5);
});

import {existsSync} from 'node:fs';
import {readFile, readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint, FormatError, SafetensorsFile, writeSafetensors} from '../../../src/index.js';
import type {TensorSource} from '../../../src/checkpoint/index.js';
import {writeFolder} from '../../../src/files/index.js';
import {CASES, ORACLE} from '../../helpers/oracle.js';
import {freshTempFolder} from '../../helpers/temp.js';

const temp = freshTempFolder();

describe('the writer', () => {
  it.each(CASES.filter((name) => existsSync(join(ORACLE, name, 'model.safetensors'))))(
    'writes %s as the reference implementation does',
    async (name) => {
      const original = await SafetensorsFile.open(join(ORACLE, name, 'model.safetensors'));
      const sources: TensorSource[] = [...original.tensors.values()].map((info) => ({
        name: info.name,
        dtype: info.dtype,
        shape: info.shape,
        chunks: () => original.chunks(info.name),
      }));
      await writeSafetensors(temp.path('copy.safetensors'), sources.reverse());
      const [copy, reference] = await Promise.all([
        readFile(temp.path('copy.safetensors')),
        readFile(original.path),
      ]);
      await original.close();
      expect(copy.equals(reference)).toBe(true);
    },
  );

  it('refuses a tensor with too few bytes, or written twice', async () => {
    const tensor = (bytes: number): TensorSource => ({
      name: 'x',
      dtype: 'F32',
      shape: [2],
      chunks: () => [new Uint8Array(bytes)],
    });
    await expect(writeSafetensors(temp.path('a'), [tensor(4)])).rejects.toThrow(/x gave 4 bytes where 8/);
    await expect(writeSafetensors(temp.path('b'), [tensor(8), tensor(8)])).rejects.toThrow(/twice/);
  });
});

/** A file of this header text and this much data. */
async function fileOf(header: string | Uint8Array, dataBytes: number, length?: bigint): Promise<string> {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = Buffer.alloc(8 + json.length + dataBytes);
  bytes.writeBigUInt64LE(length ?? BigInt(json.length));
  bytes.set(json, 8);
  const path = temp.path('hostile.safetensors');
  await writeFile(path, bytes);
  return path;
}

const tensor = (start: number, end: number, shape: unknown = [(end - start) / 4], dtype = 'F32') =>
  JSON.stringify({dtype, shape, data_offsets: [start, end]});

describe('the reader refuses', () => {
  it.each<[string, string | Uint8Array, number, RegExp, bigint?]>([
    ['a header past the end', '{}', 0, /claims 99 bytes .* truncated/, 99n],
    ['a header over the bound', '{}', 0, /more than the 100000000/, 2n ** 63n],
    ['a header that is no object', '[1]', 0, /no JSON object/],
    ['a header that is no JSON', '{"a":', 0, /no valid JSON/],
    ['a header that is no UTF-8', new Uint8Array([123, 255, 254, 125]), 0, /no valid JSON/],
    ['metadata that is no string', '{"__metadata__":{"a":1}}', 0, /__metadata__ must map strings/],
    ['a truncated tensor', `{"x":${tensor(0, 8)}}`, 4, /"x" ends at byte .* truncated/],
    ['trailing bytes', `{"x":${tensor(0, 8)}}`, 9, /1 bytes after the last tensor/],
    ['a hole', `{"x":${tensor(0, 4)},"y":${tensor(8, 12)}}`, 12, /"y" leaves a hole/],
    ['an overlap', `{"x":${tensor(0, 8)},"y":${tensor(4, 12)}}`, 12, /"y" overlaps/],
    ['a shape of other size', `{"x":${tensor(0, 8, [3])}}`, 8, /needs 12 bytes but its offsets span 8/],
    ['offsets backwards', `{"x":${tensor(8, 0, [0])}}`, 8, /span -8/],
    ['a negative size', `{"x":${tensor(0, 8, [-2])}}`, 8, /needs dtype, shape and/],
    ['a fractional size', `{"x":${tensor(0, 8, [0.5, 4])}}`, 8, /needs dtype, shape and/],
    ['an absurd size', `{"x":${tensor(0, 8, [2 ** 52, 2 ** 52])}}`, 8, /needs .* bytes/],
    ['an unknown dtype', `{"x":${tensor(0, 8, [2], 'F33')}}`, 8, /unknown dtype "F33"/],
    ['a dtype from the prototype', `{"x":${tensor(0, 8, [2], 'toString')}}`, 8, /unknown dtype/],
    ['an entry that is null', '{"x":null}', 0, /needs dtype, shape and/],
  ])('%s', async (_, header, dataBytes, message, length) => {
    const path = await fileOf(header, dataBytes, length);
    await expect(SafetensorsFile.open(path)).rejects.toThrow(FormatError);
    await expect(SafetensorsFile.open(path)).rejects.toThrow(message);
  });

  it('a file of fewer than eight bytes', async () => {
    await writeFile(temp.path('short.safetensors'), 'abc');
    await expect(SafetensorsFile.open(temp.path('short.safetensors'))).rejects.toThrow(/3 bytes are too few/);
  });

  it.each([
    ['../x.safetensors', /no name of a \.safetensors file beside it/],
    ['/etc/x.safetensors', /no name of/],
    ['pytorch_model.bin', /no name of/],
    ['missing.safetensors', /missing.safetensors cannot be read/],
  ])('an index that leads to %s', async (shard, message) => {
    await writeFile(temp.path('model.safetensors.index.json'), JSON.stringify({weight_map: {x: shard}}));
    await expect(Checkpoint.open(temp.path())).rejects.toThrow(message);
  });
});

it('keeps names like __proto__ as names', async () => {
  const path = await fileOf(`{"__proto__":${tensor(0, 4)}}`, 4);
  const file = await SafetensorsFile.open(path);
  expect([...file.tensors.keys()]).toEqual(['__proto__']);
  await file.close();
});

describe('writeFolder', () => {
  it('leaves nothing behind when writing fails', async () => {
    const failing = writeFolder(temp.path('out'), async (stage) => {
      await writeFile(join(stage, 'half'), 'x');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await readdir(temp.path())).toEqual([]);
  });

  it('refuses a folder with content and leaves it alone', async () => {
    await writeFolder(temp.path('out'), (stage) => writeFile(join(stage, 'mine'), 'x'));
    await expect(writeFolder(temp.path('out'), () => Promise.resolve())).rejects.toThrow(/not empty/);
    expect(await readdir(temp.path('out'))).toEqual(['mine']);
  });
});

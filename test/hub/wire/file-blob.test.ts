import {createHash, randomBytes} from 'node:crypto';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {FileBlob} from '../../../src/hub/wire/file-blob.js';

const content = randomBytes(1_000_003);
let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ztt-blob-'));
  path = join(folder, 'file');
  await writeFile(path, content);
});

afterAll(async () => rm(folder, {recursive: true}));

describe('FileBlob', () => {
  it('streams the bytes of its range', async () => {
    const hash = createHash('sha256');
    const reader = new FileBlob(path, 5, 900_000).stream().getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) hash.update(next.value);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(content.subarray(5, 900_000)).digest('hex'));
  });

  it.each([
    [],
    [0, 512],
    [3, 700_000],
    [999_999, 2_000_000],
    [2_000_000, 3_000_000],
    [-10],
    [7, 3],
    [10, -10],
  ])('slices as a Blob does: %j', async (...range: number[]) => {
    const slice = new FileBlob(path, 0, content.byteLength).slice(...range);
    const expected = new Blob([content]).slice(...range);
    expect(slice.size).toBe(expected.size);
    expect(Buffer.from(await slice.arrayBuffer()).equals(Buffer.from(await expected.arrayBuffer()))).toBe(
      true,
    );
  });

  it('slices a slice', async () => {
    const slice = new FileBlob(path, 100, 200).slice(10, 50).slice(5, 500);
    expect(Buffer.from(await slice.arrayBuffer())).toEqual(content.subarray(115, 150));
  });

  it('reads nothing ahead of its consumer', async () => {
    const reader = new FileBlob(path, 0, content.byteLength).stream().getReader();
    const first = await reader.read();
    expect(first.value!.byteLength).toBe(256 * 1024);
    await writeFile(
      path,
      content.map((byte) => byte ^ 255),
    );
    const second = await reader.read();
    expect(second.value![0]).toBe(content[256 * 1024]! ^ 255);
    await reader.cancel();
    await writeFile(path, content);
  });
});

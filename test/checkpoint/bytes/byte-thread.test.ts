import {rm, truncate, writeFile} from 'node:fs/promises';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {CHUNK_BYTES, DigestFile, DiskFile, ByteThread, reuseChunk} from '../../../src/checkpoint/index.js';
import {FileError} from '../../../src/index.js';
import {freshTempFolder} from '../../helpers/temp.js';
import {sha256} from '../../helpers/tensor-bytes.js';

/** Of several chunks, no two bytes in a row alike. */
const CONTENT = Buffer.from(Float32Array.from({length: 6 << 20}, (_, i) => Math.sin(i)).buffer);

const temp = freshTempFolder();
let path: string;
let thread: ByteThread;
beforeEach(async () => {
  path = temp.path('file');
  await writeFile(path, CONTENT);
  thread = new ByteThread();
});
afterEach(async () => {
  await thread.end();
});

it('hashes parts of files, several at once', async () => {
  await writeFile(temp.path('other'), 'abc');
  const places = [
    [0, CONTENT.length],
    [5, 6],
    [7, 7],
    [3_000_000, 20_000_001],
  ] as const;
  const hashes = await Promise.all([
    ...places.map(([start, end]) => thread.sha256({path, start, end})),
    thread.sha256({path: temp.path('other'), start: 0, end: 3}),
  ]);
  expect(hashes).toEqual([
    ...places.map(([start, end]) => sha256(CONTENT.subarray(start, end))),
    sha256(Buffer.from('abc')),
  ]);
});

it('says which file it cannot read, and goes on with others', async () => {
  await truncate(path, 10);
  const hash = thread.begin();
  hash.addPlace({path, start: 0, end: 11});
  await hash.add(CONTENT.subarray(0, 10));
  const late = hash.finish();
  await expect(late).rejects.toThrow(FileError);
  await expect(late).rejects.toThrow(`${path} cannot be read: it ends at byte 10.`);
  await expect(hash.finish()).rejects.toThrow(/it ends at byte 10/);
  await rm(path);
  await expect(thread.sha256({path: temp.path('none'), start: 0, end: 1})).rejects.toThrow(/none cannot be/);
  await writeFile(temp.path('third'), 'abc');
  expect(await thread.sha256({path: temp.path('third'), start: 1, end: 3})).toBe(sha256(Buffer.from('bc')));
});

it.each([
  [
    'from front to back',
    [
      [100, CHUNK_BYTES * 2],
      [CHUNK_BYTES * 2, CONTENT.length],
    ],
  ],
  [
    'in any order',
    [
      [CHUNK_BYTES * 3, CONTENT.length],
      [0, CHUNK_BYTES],
      [CHUNK_BYTES, CHUNK_BYTES * 2],
    ],
  ],
  [
    'in part, and one part twice',
    [
      [0, 10],
      [0, 20],
      [5, 15],
    ],
  ],
  ['not at all', []],
])('gives the sha256 of a file that is read %s', async (_, ranges) => {
  const file = new DigestFile(await DiskFile.open(path), thread);
  for (const [start, end] of ranges) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.chunks(start!, end! - start!)) {
      chunks.push(Buffer.from(chunk));
      // Read into again at once, if the thread were done with it.
      reuseChunk(chunk);
    }
    expect(Buffer.concat(chunks).equals(CONTENT.subarray(start, end))).toBe(true);
  }
  expect(await file.sha256()).toBe(sha256(CONTENT));
  await file.close();
});

it('hashes chunks for two by turns, for one, and then for a third', async () => {
  const [file, tensor, next] = [thread.begin(), thread.begin(), thread.begin()];
  const chunk = (i: number) => CONTENT.subarray(i * 1_000_003, (i + 1) * 1_000_003);
  for (const i of [0, 1, 2]) {
    await file.add(chunk(i));
    await tensor.add(chunk(i));
  }
  await file.add(chunk(3));
  await file.add(chunk(4));
  const ofTensor = await tensor.finish();
  await file.add(chunk(5));
  await next.add(chunk(5));
  expect([await file.finish(), ofTensor, await next.finish()]).toEqual([
    sha256(CONTENT.subarray(0, 6 * 1_000_003)),
    sha256(CONTENT.subarray(0, 3 * 1_000_003)),
    sha256(chunk(5)),
  ]);
});

it('says whether two places have the same bytes', async () => {
  const other = temp.path('other');
  const shifted = Buffer.concat([Buffer.from('before'), CONTENT, Buffer.from('after')]);
  await writeFile(other, shifted);
  const places = (from: number, to: number) =>
    [
      {path, start: from, end: to},
      {path: other, start: from + 6, end: to + 6},
    ] as const;
  for (const [from, to] of [
    [0, CONTENT.length],
    [1, 1],
    [123_457, 9_000_001],
  ] as const) {
    expect(await thread.same(...places(from, to))).toBe(true);
  }
  for (const at of [0, 123_456, CONTENT.length - 1]) {
    const changed = Buffer.from(shifted);
    changed[6 + at]! ^= 1;
    await writeFile(other, changed);
    expect(await thread.same(...places(0, CONTENT.length))).toBe(false);
    expect(await thread.same(...places(0, at))).toBe(true);
  }
  expect(await thread.same(places(0, 10)[0], places(0, 11)[1])).toBe(false);
  await truncate(other, 100);
  await expect(thread.same(...places(90, 99))).rejects.toThrow(
    `${other} cannot be read: it ends at byte 100.`,
  );
});

import {truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint, FileError, FormatError} from '../../../src/index.js';
import {CHUNK_BYTES, DiskFile} from '../../../src/checkpoint/index.js';
import {CountingFiles} from '../../helpers/counting-files.js';
import {ORACLE} from '../../helpers/oracle.js';
import {OPT_13B, writeSparse} from '../../helpers/sparse-checkpoint.js';
import {freshTempFolder} from '../../helpers/temp.js';

const temp = freshTempFolder();

describe('a file on disk', () => {
  it('gives the bytes of a range, whole or in chunks', async () => {
    const content = Buffer.alloc(2 * CHUNK_BYTES + 5);
    for (let i = 0; i < content.length; i++) content[i] = (i * 31) >> 8;
    await writeFile(temp.path('file'), content);
    const file = await DiskFile.open(temp.path('file'));
    expect(file.size).toBe(content.length);
    expect((await file.read(3, 10)).equals(content.subarray(3, 13))).toBe(true);
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.chunks(2, 2 * CHUNK_BYTES + 1)) chunks.push(chunk);
    expect(chunks.map((chunk) => chunk.length)).toEqual([CHUNK_BYTES, CHUNK_BYTES, 1]);
    expect(Buffer.concat(chunks).equals(content.subarray(2, 2 * CHUNK_BYTES + 3))).toBe(true);
    await file.close();
  });

  it('reads ahead without harm: to one who stops early, and where the file ends too soon', async () => {
    await writeFile(temp.path('file'), Buffer.alloc(3 * CHUNK_BYTES, 1));
    const file = await DiskFile.open(temp.path('file'));
    for await (const chunk of file.chunks(0, 3 * CHUNK_BYTES)) {
      expect(chunk.every((byte) => byte === 1)).toBe(true);
      break;
    }
    await truncate(temp.path('file'), CHUNK_BYTES + 1);
    const chunks = file.chunks(0, 3 * CHUNK_BYTES);
    expect((await chunks.next()).value).toHaveLength(CHUNK_BYTES);
    await expect(chunks.next()).rejects.toThrow(`file ended at byte ${CHUNK_BYTES + 1} while being read`);
    await file.close();
  });

  it.each([
    [0, 5],
    [4, 1],
    [-1, 2],
    [0, -1],
    [0.5, 1],
    [0, 2 ** 53],
    [2 ** 53, 0],
    [NaN, 0],
  ])('refuses %d and %d bytes of a file of four', async (offset, length) => {
    await writeFile(temp.path('file'), 'abcd');
    const file = await DiskFile.open(temp.path('file'));
    await expect(file.read(offset, length)).rejects.toThrow(FormatError);
    await expect(file.chunks(offset, length).next()).rejects.toThrow(/file has 4 bytes/);
    await file.close();
  });

  it('refuses what is no file, or missing', async () => {
    await expect(DiskFile.open(temp.path())).rejects.toThrow(/is no file/);
    await expect(DiskFile.open(temp.path('none'))).rejects.toThrow(FileError);
  });
});

describe('a checkpoint whose files are elsewhere', () => {
  it('is of little cost to open, even as OPT-13b', async () => {
    await writeSparse(temp.path('opt-13b'), OPT_13B, 'F16', 10e9);
    const files = new CountingFiles(temp.path('opt-13b'));
    const checkpoint = await Checkpoint.open(files);
    expect(checkpoint.files).toHaveLength(3);
    expect(checkpoint.tensors.size).toBe(644);
    expect(files.reads).toBe(6);
    expect(files.bytes).toBeLessThan(100_000);
    await checkpoint.close();
  });

  it.each(['gpt2', 'gpt2-sharded'])('opens %s by its headers alone', async (name) => {
    const files = new CountingFiles(join(ORACLE, name));
    const checkpoint = await Checkpoint.open(files);
    expect(files.reads).toBe(2 * checkpoint.files.length);
    const total = checkpoint.files.reduce((sum, {size}) => sum + size, 0);
    expect(files.bytes).toBeLessThan(total / 4);
    const local = await Checkpoint.open(files.folder);
    expect(checkpoint.tensors).toEqual(local.tensors);
    expect(await checkpoint.sha256()).toEqual(await local.sha256());
    const tensor = [...local.tensors.keys()][3]!;
    expect(await checkpoint.readFloat32(tensor)).toEqual(await local.readFloat32(tensor));
    await Promise.all([checkpoint.close(), local.close()]);
    expect(files.opened).toBe(0);
  });
});

import {execFileSync} from 'node:child_process';
import {mkdir, symlink, writeFile} from 'node:fs/promises';
import {beforeEach, describe, expect, it} from 'vitest';
import {openRegular, ownFile, readText} from '../../src/files/index.js';
import {FileError} from '../../src/index.js';
import {freshTempFolder} from '../helpers/temp.js';

const temp = freshTempFolder();
beforeEach(async () => {
  await mkdir(temp.path('model'));
  await writeFile(temp.path('secret'), 'TOP SECRET');
});

const own = () => ownFile(temp.path('model'), 'vocab.txt');

describe('a file that is copied on', () => {
  it('lies in the folder, or is a link to one that does', async () => {
    expect(await own()).toBeNull();
    await writeFile(temp.path('model', 'words'), 'a');
    await symlink('words', temp.path('model', 'vocab.txt'));
    expect(await own()).toBe(temp.path('model', 'vocab.txt'));
  });

  it.each(['../secret', '../model-2/vocab.txt', '/etc/hostname', '../nowhere'])(
    'is no link that leads to %s',
    async (target) => {
      await mkdir(temp.path('model-2'));
      await writeFile(temp.path('model-2', 'vocab.txt'), 'b');
      await symlink(target, temp.path('model', 'vocab.txt'));
      await expect(own()).rejects.toThrow(FileError);
    },
  );

  it('may lie among the blobs of the Hub’s cache, whose snapshots are links', async () => {
    await mkdir(temp.path('repo', 'snapshots', 'abc'), {recursive: true});
    await mkdir(temp.path('repo', 'blobs'));
    await writeFile(temp.path('repo', 'blobs', '1'), 'a');
    const folder = temp.path('repo', 'snapshots', 'abc');
    await symlink('../../blobs/1', temp.path('repo', 'snapshots', 'abc', 'vocab.txt'));
    expect(await ownFile(folder, 'vocab.txt')).not.toBeNull();
    await symlink('../../../secret', temp.path('repo', 'snapshots', 'abc', 'merges.txt'));
    await expect(ownFile(folder, 'merges.txt')).rejects.toThrow(/leads out of its folder/);
  });
});

describe.skipIf(process.platform === 'win32')('a named pipe', () => {
  beforeEach(() => void execFileSync('mkfifo', [temp.path('model', 'vocab.txt')]));

  it('is no file, and is not waited for', async () => {
    await expect(own()).rejects.toThrow(/vocab\.txt is no file/);
    await expect(readText(temp.path('model', 'vocab.txt'))).rejects.toThrow(/vocab\.txt is no file/);
    await expect(openRegular(temp.path('model', 'vocab.txt'))).rejects.toThrow(/is no file/);
    await expect(openRegular('/dev/zero')).rejects.toThrow(/is no file/);
    await expect(openRegular(temp.path('model'))).rejects.toThrow(/is no file/);
  });
});

import {spawnSync} from 'node:child_process';
import {readdirSync, readFileSync, readlinkSync, symlinkSync} from 'node:fs';
import {mkdir, readdir, rename, writeFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError} from '../../src/errors.js';
import {requireFreeOutput, requireFreeSpace, writeFolder} from '../../src/files/index.js';
import {besides} from '../../src/files/partial.js';
import {freshTempFolder} from '../helpers/temp.js';

const temp = freshTempFolder();

/** A folder as an earlier conversion leaves it. */
async function putModel(name: string, mark = 'old'): Promise<string> {
  await mkdir(temp.path(name), {recursive: true});
  await writeFile(temp.path(name, 'config.json'), JSON.stringify({model_type: 'ztt', mark}));
  await writeFile(temp.path(name, 'model.safetensors'), mark);
  return temp.path(name);
}

/** Writes a new model to an output that may be replaced. */
const replace = (output: string, sources: string[] = []) =>
  writeFolder(
    output,
    (stage) => writeFile(join(stage, 'config.json'), '{"model_type": "ztt", "mark": "new"}'),
    {
      replace: true,
      sources,
    },
  );

const mark = (folder: string) =>
  (JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as {mark: string}).mark;

/** Everything in the temporary folder, hidden files too. */
const everything = () => readdirSync(temp.path(), {recursive: true}).sort();

describe('an output that may be replaced', () => {
  it('is replaced by a new model, whole', async () => {
    const output = await putModel('out');
    await replace(output);
    expect(mark(output)).toBe('new');
    expect(everything()).toEqual(['out', 'out/config.json']);
  });

  it('stays as it was if the new one fails', async () => {
    const output = await putModel('out');
    const failing = writeFolder(output, () => Promise.reject(new Error('no')), {replace: true});
    await expect(failing).rejects.toThrow('no');
    expect(everything()).toEqual(['out', 'out/config.json', 'out/model.safetensors']);
    expect(mark(output)).toBe('old');
  });

  it('is found through a link, which stays', async () => {
    await putModel('real');
    symlinkSync('real', temp.path('link'));
    await replace(temp.path('link'));
    expect(everything()).toEqual(['link', 'link/config.json', 'real', 'real/config.json']);
    expect(readlinkSync(temp.path('link'))).toBe('real');
    expect(mark(temp.path('real'))).toBe('new');
  });

  const refused: [what: string, make: () => Promise<string>, message: RegExp][] = [
    [
      'a folder without config.json',
      async () => {
        await mkdir(temp.path('out'));
        await writeFile(temp.path('out', 'thesis.tex'), 'x');
        return temp.path('out');
      },
      /out is not replaced: it has no config\.json of a model/,
    ],
    [
      "another program's config.json",
      async () => {
        await mkdir(temp.path('out'));
        await writeFile(temp.path('out', 'config.json'), '{"editor": "ed"}');
        return temp.path('out');
      },
      /no config\.json of a model/,
    ],
    [
      'a model with a folder in it',
      async () => {
        await mkdir(temp.path('out', '.git'), {recursive: true});
        return putModel('out');
      },
      /it holds the folder \.git/,
    ],
    [
      'a model with a file in it that is none of a model’s',
      async () => {
        const output = await putModel('out');
        await writeFile(join(output, 'thesis.tex'), 'x');
        return output;
      },
      /it holds thesis\.tex, which is no file of a model that ztt wrote/,
    ],
    [
      'a model with a link in it',
      async () => {
        const output = await putModel('out');
        symlinkSync('elsewhere', join(output, 'vocab.txt'));
        return output;
      },
      /it holds vocab\.txt, which is no file/,
    ],
    [
      'a model with a card that a person wrote',
      async () => {
        const output = await putModel('out');
        await writeFile(join(output, 'README.md'), '# Mine');
        return output;
      },
      /README\.md that ztt did not write/,
    ],
    ['the root', () => Promise.resolve('/'), /it is the folder you are in, or above it/],
    ['the folder we are in', () => Promise.resolve('.'), /it is the folder you are in/],
    ['the folder above', () => Promise.resolve('..'), /it is the folder you are in, or above it/],
    ['the home folder', () => Promise.resolve(homedir()), /home folder|folder you are in/],
    ['the folder above home', () => Promise.resolve(dirname(homedir())), /home folder|folder you are in/],
  ];
  it.each(refused)('is never %s', async (_, make, message) => {
    const output = await make();
    const before = everything();
    // Only asked, not tried: a failure here must not cost anyone a home folder.
    const asked = requireFreeOutput(output, {replace: true});
    await expect(asked).rejects.toThrow(FileError);
    await expect(asked).rejects.toThrow(message);
    expect(everything()).toEqual(before);
  });

  it('is never the source, a folder above it, or a link to one', async () => {
    const source = await putModel('models/gpt2');
    await writeFile(temp.path('models', 'config.json'), '{"model_type": "gpt2"}');
    symlinkSync('models', temp.path('link'));
    const before = everything();
    const file = join(source, 'model.safetensors');
    for (const output of [source, temp.path('models'), temp.path('link'), temp.path('link/gpt2')]) {
      for (const given of [source, file, temp.path('link', 'gpt2')]) {
        await expect(replace(output, [given]), output).rejects.toThrow(/it holds what is converted/);
      }
    }
    expect(everything()).toEqual(before);
  });
});

describe('an output', () => {
  it('may be an empty folder, or a link to one', async () => {
    await mkdir(temp.path('real'));
    symlinkSync('real', temp.path('link'));
    await writeFolder(temp.path('link'), (stage) => writeFile(join(stage, 'x'), ''));
    expect(everything()).toEqual(['link', 'link/x', 'real', 'real/x']);
    expect(readlinkSync(temp.path('link'))).toBe('real');
  });

  it('is no link that leads nowhere, or in a circle', async () => {
    symlinkSync('nowhere', temp.path('dangling'));
    symlinkSync('circle', temp.path('circle'));
    await expect(replace(temp.path('dangling'))).rejects.toThrow(/dangling cannot be .* leads nowhere/);
    await expect(replace(temp.path('circle'))).rejects.toThrow(/circle cannot be .* links lead in a circle/);
    await expect(replace(temp.path('circle', 'out'))).rejects.toThrow(/links lead in a circle/);
  });

  it('needs room on its disk', async () => {
    await requireFreeSpace(temp.path('not', 'there', 'yet'), 1000);
    await expect(requireFreeSpace(temp.path('out'), 1e18)).rejects.toThrow(
      /out needs 1000000000\.00 GB, and its disk has [\d.]+ GB free/,
    );
  });
});

describe('what a killed process left', () => {
  /** A process that was here, and is no more. */
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const byDead = (path: string) => path.replace(`-${process.pid}-`, `-${dead}-`);

  it('is removed by the next run of the same output, and by no other', async () => {
    const stage = byDead(besides(temp.path('out'), 'partial'));
    await mkdir(stage);
    await writeFile(join(stage, 'model.safetensors'), 'half');
    await requireFreeOutput(temp.path('other'));
    expect(await readdir(temp.path())).toHaveLength(1);
    await requireFreeOutput(temp.path('out'));
    expect(await readdir(temp.path())).toEqual([]);
  });

  it('is left alone while its process runs, or where it may be of another machine', async () => {
    const names = [
      besides(temp.path('out'), 'partial'),
      byDead(besides(temp.path('out'), 'partial')).replace(/\.[0-9a-f]{8}-/, '.00000000-'),
      temp.path('.out.notes.partial'),
      temp.path('.out.partial'),
    ];
    for (const name of names) await mkdir(name);
    await requireFreeOutput(temp.path('out'));
    expect(await readdir(temp.path())).toHaveLength(names.length);
  });

  it('comes back if it was moved aside without a successor', async () => {
    const output = await putModel('out');
    await rename(output, byDead(besides(output, 'replaced')));
    await expect(requireFreeOutput(output, {replace: false})).rejects.toThrow(/out is not empty.*--force/);
    expect(everything()).toEqual(['out', 'out/config.json', 'out/model.safetensors']);
    expect(mark(output)).toBe('old');
  });

  it('goes if its successor is there', async () => {
    const old = await putModel('old');
    const output = await putModel('out', 'new');
    await rename(old, byDead(besides(output, 'replaced')));
    await requireFreeOutput(output, {replace: true});
    expect(everything()).toEqual(['out', 'out/config.json', 'out/model.safetensors']);
    expect(mark(output)).toBe('new');
  });
});

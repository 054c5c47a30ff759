import {existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {pathToFileURL} from 'node:url';
import {beforeAll, expect, it} from 'vitest';
import {compile} from '../../scripts/compile.mjs';
import {compiledFile} from '../../src/compiled-file.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();
beforeAll(() => {
  mkdirSync(temp.path('src', 'part'), {recursive: true});
});

const write = (name: string, text: string) => writeFileSync(temp.path('src', name), text);
const read = (name: string) => readFileSync(temp.path('dist', name), 'utf8');

it('compiles what is new or changed, leaves the rest, and removes what has no source', async () => {
  write('one.ts', 'export const one: number = 1;\n');
  write('part/two.ts', "import {one} from '../one.js';\nexport const two: number = one + 1;\n");
  await compile(temp.path());
  const {two} = (await import(pathToFileURL(temp.path('dist', 'part', 'two.js')).href)) as {two: number};
  expect(two).toBe(2);

  const past = new Date(2000, 1, 1);
  for (const name of ['one.js', 'part/two.js']) utimesSync(temp.path('dist', name), past, past);
  write('one.ts', 'export const one: number = 7;\n');
  await compile(temp.path());
  expect(read('one.js')).toContain('7');
  expect(statSync(temp.path('dist', 'part', 'two.js')).mtime).toEqual(past);

  rmSync(temp.path('src', 'part', 'two.ts'));
  writeFileSync(temp.path('dist', 'part', 'two.d.ts'), '');
  await compile(temp.path());
  expect(existsSync(temp.path('dist', 'part', 'two.js'))).toBe(false);
  expect(existsSync(temp.path('dist', 'part', 'two.d.ts'))).toBe(false);
  expect(read('one.js')).toContain('7');
});

it('fails where a source does not parse', async () => {
  write('one.ts', 'export const one = ;\n');
  await expect(compile(temp.path())).rejects.toThrow(/one\.ts:1:19: ERROR/);
});

it('what threads run lies where it is compiled to, and is as the sources are', async () => {
  const source = new URL('../../src/checkpoint/bytes/byte-thread.ts', import.meta.url).href;
  const compiled = compiledFile('./byte-worker.js', source);
  expect(compiled.href).toBe(new URL('../../dist/checkpoint/bytes/byte-worker.js', import.meta.url).href);
  const before = readFileSync(compiled, 'utf8');
  await compile();
  expect(readFileSync(compiled, 'utf8')).toBe(before);
  expect(compiledFile('./byte-worker.js', compiled.href).href).toBe(compiled.href);
});

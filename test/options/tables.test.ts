import {readdirSync, readFileSync} from 'node:fs';
import {basename} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Command} from '@oclif/core';
import {describe, expect, it} from 'vitest';
import {pages, TABLES, withOptionTables} from '../../scripts/option-docs.js';
import {AXIS_NAMES} from '../../src/compare/axes.js';
import {helpOf, keyOf, type Option} from '../../src/options/index.js';

const COMMANDS = fileURLToPath(new URL('../../src/commands/', import.meta.url));

/** What commands decide without a library: what is shown and where flags come from. */
const OF_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  compare: ['axis', 'config', 'cycles', 'dry-run'],
  convert: ['dry-run'],
  eval: ['config', 'log-samples', 'output'],
  export: ['dry-run', 'onnx'],
  finetune: ['config', 'dry-run'],
  generate: ['prompt', 'show-depth'],
  push: ['card'],
};

/** The flags of all commands: which command, which flag, and its help. */
const FLAGS = await Promise.all(
  readdirSync(COMMANDS, {recursive: true, encoding: 'utf8'})
    .filter((name) => name.endsWith('.ts'))
    .map(async (file) => {
      const {default: command} = (await import(`${COMMANDS}${file}`)) as {default: typeof Command};
      const flags = Object.entries(command.flags ?? {}).filter(([name]) => name !== 'json');
      const name = file.replace(/(\/index)?\.ts$/, '').replace('/', ' ');
      return flags.map(([flag, {description}]) => ({command: name, flag, description}));
    }),
).then((lists) => lists.flat());

/** Every option of a library: its table, name and description. */
const OPTIONS = Object.entries(TABLES).flatMap(([table, options]) =>
  Object.entries(options).map(([name, option]): [table: string, name: string, option: Option] => [
    table,
    name,
    option,
  ]),
);

const isOf = (flag: string, description: string | undefined) => (option: (typeof OPTIONS)[number]) =>
  option[1] === flag && helpOf(option[2]) === description;

describe('the tables of options', () => {
  it('have every flag of every command that a library knows', () => {
    const own = FLAGS.filter(({flag, description}) => !OPTIONS.some(isOf(flag, description)));
    const found = own.map(({command, flag}) => `${command} --${flag}`).sort();
    const expected = Object.entries(OF_COMMANDS).flatMap(([command, names]) =>
      names.map((name) => `${command} --${name}`),
    );
    expect(found).toEqual(expected.sort());
  });

  it.each(OPTIONS)('%s: a command has --%s', (_, name, option) => {
    const found = FLAGS.filter(({flag, description}) => isOf(flag, description)(['', name, option]));
    expect(found).not.toEqual([]);
  });

  it.each(OPTIONS)('%s: --%s has a default within its bounds, and help without a stop', (_, name, option) => {
    expect(option.help).toMatch(/[^.]$/);
    if (option.kind === 'choice' && typeof option.default === 'string') {
      expect(option.choices).toContain(option.default);
    }
    expect(keyOf(name, option)).toMatch(/^[a-z][A-Za-z0-9]*$/);
  });

  it('name what a comparison can vary', () => {
    const axes = OPTIONS.filter(([, , {axis}]) => axis !== undefined).map(([, name]) => name);
    expect([...AXIS_NAMES].sort()).toEqual([...new Set(axes)].sort());
  });
});

const PAGES = (await pages()).map((path): [name: string, path: string] => [basename(path), path]);

describe('the option tables in docs', () => {
  it.each(PAGES)('%s has them as they are', async (_, path) => {
    const page = readFileSync(path, 'utf8');
    expect(await withOptionTables(page, path)).toBe(page);
  });

  it('are in several pages', () => {
    const marked = PAGES.filter(([, path]) => readFileSync(path, 'utf8').includes('<!-- options: '));
    expect(marked.length).toBeGreaterThan(4);
  });
});

import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {describe, expect, it} from 'vitest';
import {cliJson, cliOk} from './cli.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMMANDS = readdirSync(join(ROOT, 'src/commands')).map((name) => name.replace(/\.ts$/, ''));
const withoutTfjs = {
  node: ['--import', pathToFileURL(join(ROOT, 'test/commands/refuse-tfjs.js')).href],
};

describe('help', () => {
  it('lists every command', async () => {
    const {stdout} = await cliOk(['--help']);
    for (const command of COMMANDS) expect(stdout).toContain(`\n  ${command} `);
    expect((await cliOk([])).stdout).toBe(stdout);
    expect((await cliOk(['help'])).stdout).toBe(stdout);
  });

  it.each(COMMANDS)('tells how to use %s, with examples, and does not load tfjs', async (command) => {
    const {stdout, stderr} = await cliOk([command, '--help'], withoutTfjs);
    expect(stdout).toContain(`$ ztt ${command}`);
    expect(stdout.split('EXAMPLES\n')[1]).toContain(`$ ztt ${command}`);
    expect(stdout).toContain('--json');
    expect(stderr).toBe('');
  });

  it('has the usual shorthands', async () => {
    const {stdout} = await cliOk(['convert', '--help']);
    expect((await cliOk(['convert', '-h'])).stdout).toBe(stdout);
    expect((await cliOk(['help', 'convert'])).stdout).toBe(stdout);
  });

  it('tells the version', async () => {
    expect((await cliOk(['--version'])).stdout).toMatch(/^ztt\/\d+\.\d+\.\d+ /);
  });

  it('is checked by a hook that does see tfjs', async () => {
    const engines = await cliJson<{name: string; reason: string | null}[]>(['engines'], withoutTfjs);
    expect(engines.find(({name}) => name === 'wasm')?.reason).toContain('imported @tensorflow/tfjs-core');
  });
});

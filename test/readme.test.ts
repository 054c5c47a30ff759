import {execFile} from 'node:child_process';
import {cp, mkdir, readFile, symlink, writeFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {beforeAll, describe, expect, it} from 'vitest';
import {cliOk} from './commands/cli.js';
import {FIXTURES} from './helpers/oracle.js';
import {sharedTempFolder} from './helpers/temp.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const run = promisify(execFile);

/** The README's blocks of a language that are marked as run by this test. */
async function blocks(language: string): Promise<string[]> {
  const readme = await readFile(`${ROOT}README.md`, 'utf8');
  const marked = new RegExp(`run by test/readme\\.test\\.ts -->\\s+\`\`\`${language}\\n([^]*?)\`\`\``, 'g');
  return [...readme.matchAll(marked)].map((match) => match[1]!);
}

/** Splits a command line as a shell would: words, and words in double quotes. */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

describe('the README', () => {
  const temp = sharedTempFolder();
  beforeAll(async () => {
    await symlink(FIXTURES, temp.path('fixtures'));
  });

  it('shows commands that work, in their order', async () => {
    const [block] = await blocks('sh');
    const lines = block!.trim().split('\n');
    expect(lines.length).toBeGreaterThan(6);
    for (const line of lines) {
      const [command, ...args] = words(line);
      expect(command).toBe('ztt');
      const {stdout} = await cliOk(args, {cwd: temp.path()});
      expect(stdout.trim(), line).not.toBe('');
    }
  });

  it('shows library code that works', async () => {
    const [code] = await blocks('js');
    // The package as an installed one: its package.json and what it builds.
    await mkdir(temp.path('node_modules/ztt'), {recursive: true});
    await cp(`${ROOT}package.json`, temp.path('node_modules/ztt/package.json'));
    await symlink(`${ROOT}dist`, temp.path('node_modules/ztt/dist'));
    await writeFile(temp.path('example.mjs'), code!);
    const {stdout} = await run(process.execPath, ['example.mjs'], {cwd: temp.path()});
    expect(stdout).toMatch(/^\[ 1, 3, 4096 \]/);
    expect(stdout).toContain("'acc,none'");
  });
});

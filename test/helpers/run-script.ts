import {execFile} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a TypeScript file of the repository in a process of its own. Resolves to what it printed. */
export async function runScript(path: string, args: string[]): Promise<string> {
  const node = ['--expose-gc', '--import', 'tsx', path, ...args];
  const {stdout} = await promisify(execFile)(process.execPath, node, {cwd: ROOT});
  return stdout.trim();
}

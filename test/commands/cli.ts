import {spawn, type ChildProcess} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {expect} from 'vitest';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

/** Tests reach this machine only: nothing listens there. */
const NO_HUB = 'http://127.0.0.1:9';

export interface CliResult {
  /** null if a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** Arguments for node itself. */
  node?: string[];
  /** Over the environment, of which only PATH and the like are kept. */
  env?: Record<string, string>;
  cwd?: string;
  /** A limit that a shell sets before: `-f 1000`. */
  ulimit?: string;
  /** Called when it runs. */
  onStart?: (child: ChildProcess) => void;
}

/** Runs the built command line as a user does, its streams being pipes. */
export async function cli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  const {PATH, HOME, TMPDIR, ZTT_CACHE} = process.env;
  const node = [process.execPath, ...(options.node ?? []), RUN, ...args];
  const shell = ['sh', '-c', `ulimit ${options.ulimit}; exec "$@"`, 'sh', ...node];
  const [command, ...words] = options.ulimit ? shell : node;
  const child = spawn(command!, words, {
    env: {PATH, HOME, ZTT_CACHE, ...(TMPDIR ? {TMPDIR} : {}), HF_ENDPOINT: NO_HUB, ...options.env},
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  options.onStart?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return {code, stdout, stderr};
}

/** Runs it and expects it to end well. */
export async function cliOk(args: string[], options: CliOptions = {}): Promise<CliResult> {
  const result = await cli(args, options);
  expect(result.code, result.stderr).toBe(0);
  return result;
}

/** Runs it with --json and expects one document on stdout, and nothing else. */
export async function cliJson<T>(args: string[], options: CliOptions = {}): Promise<T> {
  const {stdout, stderr} = await cliOk([...args, '--json'], options);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as T;
}

/** Expects a failure: the exit code, and one line on stderr that names the culprit; no stack. */
export function expectFailure(result: CliResult, code: number, message: RegExp): void {
  expect(result.code, result.stderr).toBe(code);
  expect(result.stderr).toMatch(/^Error: [^\n]+\n$/);
  expect(result.stderr).toMatch(message);
  expect(result.stderr).not.toMatch(/bug in ztt|\.[jt]s:\d+/);
  expect(result.stdout).toBe('');
}

import {fork, spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {afterAll, expect} from 'vitest';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const HOST = fileURLToPath(new URL('./cli-host.mjs', import.meta.url));

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
  /** Whether it needs a process of its own though nothing above says so: an engine is found once in a process. */
  alone?: boolean;
}

/** What is read when a command runs, and not when its modules load. */
const READ_LATE = /^(HF_|HUGGING|ZTT_CACHE$|XDG_|HOME$|DEBUG$|NO_COLOR$|FORCE_COLOR$)/;

/** The process that runs command lines one after the other, if it has been started and lives. */
let host: ChildProcess | null = null;
let isBusy = false;
afterAll(async () => {
  if (!host?.connected) return;
  const ended = once(host, 'exit');
  host.disconnect();
  await ended;
});

/**
 * Runs the built command line as a user does, its streams being pipes. Most command lines of a test file run in one
 * process after each other; one that gets signals, limits or options of node has its own.
 */
export async function cli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  const {PATH, HOME, TMPDIR, ZTT_CACHE} = process.env;
  const env = {PATH, HOME, ZTT_CACHE, ...(TMPDIR ? {TMPDIR} : {}), HF_ENDPOINT: NO_HUB, ...options.env};
  const {node, ulimit, onStart, alone} = options;
  const needsOwn = node ?? ulimit ?? onStart ?? alone;
  const late = Object.keys(options.env ?? {}).every((name) => READ_LATE.test(name));
  return needsOwn || !late || isBusy ? spawned(args, env, options) : hosted(args, env, options.cwd);
}

type Environment = Record<string, string | undefined>;

async function hosted(words: string[], env: Environment, cwd: string | undefined): Promise<CliResult> {
  isBusy = true;
  try {
    if (!host?.connected) host = fork(HOST, {execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc']});
    const answered = new Promise<CliResult>((resolve, reject) => {
      host!.once('message', (result) => resolve(result as CliResult));
      host!.once('exit', (code) => reject(new Error(`the process of command lines ended with ${code}`)));
    });
    host.send({words, env, cwd});
    return await answered;
  } finally {
    host?.removeAllListeners('message').removeAllListeners('exit');
    isBusy = false;
  }
}

async function spawned(args: string[], env: Environment, options: CliOptions): Promise<CliResult> {
  const node = [process.execPath, ...(options.node ?? []), RUN, ...args];
  const shell = ['sh', '-c', `ulimit ${options.ulimit}; exec "$@"`, 'sh', ...node];
  const [command, ...words] = options.ulimit ? shell : node;
  const child = spawn(command!, words, {
    env,
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

import {readdir, readFile} from 'node:fs/promises';
import {dirname, relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {Config, Errors, run, settings, type Interfaces} from '@oclif/core';
import {UsageError} from '../errors.js';
import {commandMeant} from './did-you-mean.js';
import {asUsageError, failureOf} from './failure.js';

/** The commands beside this file: the built ones, or the sources where those run. */
const COMMANDS = fileURLToPath(new URL('../commands', import.meta.url));

/**
 * Runs the command line and ends the process: 0 done, 1 failed, 2 wrong usage, 130 interrupted. An error is one
 * line on stderr; its stack follows where the environment has DEBUG.
 * @param entry - the URL of the script in bin/
 */
export async function runCli(entry: string): Promise<void> {
  guardStreams();
  const exitCode = await runWords(process.argv.slice(2), entry);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(exitCode);
}

/**
 * Runs one command line in this process, which goes on.
 * @param words - what follows `ztt`
 * @param entry - the URL of the script in bin/
 * @returns the exit code, as `runCli` has it
 */
export function runWords(words: string[], entry: string): Promise<number> {
  return runCommand(withHelpShorthands(words), entry).then(verdict, report);
}

async function runCommand(argv: string[], entry: string): Promise<void> {
  const root = fileURLToPath(new URL('..', entry));
  // oclif would compile sources by itself where NODE_ENV says so; bin/dev.js does, with tsx.
  settings.enableAutoTranspile = false;
  const pjson = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as Interfaces.PJSON;
  const commands = {
    strategy: 'pattern' as const,
    target: `./${relative(root, COMMANDS)}`,
    globPatterns: await commandFiles(argv[0]),
  };
  const oclif = {...pjson.oclif, commands};
  await run(argv, await Config.load({root: dirname(`${root}package.json`), pjson: {...pjson, oclif}}));
}

/**
 * The files, as globs, that hold the command or topic of this name: to load the others would be half of a command's
 * start. All where no command is named.
 * @throws UsageError for a command that there is not
 */
async function commandFiles(name: string | undefined): Promise<string[]> {
  if (name === undefined || name.startsWith('-')) return ['**/*.{js,ts}', '!**/*.d.ts'];
  const known = [...new Set((await readdir(COMMANDS)).map((file) => file.split('.')[0]!))];
  if (!known.includes(name)) {
    const question = commandMeant(name, known);
    throw new UsageError(
      `there is no command ${name}${question ? `${question} See` : '; see'} \`ztt --help\`.`,
    );
  }
  return [`${name}{.js,.ts,/**/*.{js,ts}}`, '!**/*.d.ts'];
}

/** `ztt help convert` and `ztt convert -h` mean `ztt convert --help`. */
function withHelpShorthands(argv: string[]): string[] {
  const [first, ...rest] = argv;
  if (first === 'help') return [...rest, '--help'];
  return argv.map((word) => (word === '-h' ? '--help' : word));
}

/** The exit code of a command that came to its end: 1 where it says by `process.exitCode` that something is wrong. */
const verdict = (): number => Number(process.exitCode ?? 0);

/** Tells an error. Returns the exit code. */
function report(error: unknown): number {
  if (error instanceof Errors.ExitError) return error.oclif.exit ?? 0;
  const {message, exitCode} = failureOf(asUsageError(error, 'ztt'));
  process.stderr.write(`Error: ${message}\n`);
  if (process.env.DEBUG) process.stderr.write(`${stackOf(error)}\n`);
  return exitCode;
}

/** An error's stack, and those of the errors behind it. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\nCaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/**
 * Tells a result that cannot be written, and what nobody catches, in one line. A closed pipe (`ztt … | head`) is no
 * error: stdout's ends the command. What stderr cannot take is lost, and no reason to fail: the work is done.
 */
function guardStreams(): void {
  guard(process.stdout, ({code, message}) => {
    if (code === 'EPIPE') process.exit();
    const why = code === 'ENOSPC' ? 'the disk is full' : (code ?? message);
    process.stderr.write(`Error: the result cannot be written to standard output: ${why}.\n`);
    process.exit(1);
  });
  guard(process.stderr, () => undefined);
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error: unknown) => process.exit(report(error)));
  }
  // Libraries' warnings are not the user's to mend.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (process.env.DEBUG) process.stderr.write(`${stackOf(warning)}\n`);
  });
}

/** Hands over a stream's errors, those too that its write throws: a file or a device is written to at once. */
function guard(stream: NodeJS.WriteStream, onError: (error: NodeJS.ErrnoException) => void): void {
  stream.on('error', onError);
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    try {
      return write(...args);
    } catch (error) {
      onError(error as NodeJS.ErrnoException);
      const done = args.at(-1);
      if (typeof done === 'function') (done as () => void)();
      return true;
    }
  };
}

/** Resolves when all that was written has gone out, or cannot. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

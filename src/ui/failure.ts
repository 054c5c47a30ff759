import {stripVTControlCharacters} from 'node:util';
import {Errors} from '@oclif/core';
import {UsageError, ZttError} from '../errors.js';
import {printable} from './printable.js';

/** An error as the command line tells it. */
export interface Failure {
  /** The error's class, for `--json`. */
  name: string;
  /** One line. */
  message: string;
  exitCode: number;
}

/** Longer messages only come from hostile files, whose tensor names can be megabytes. */
const MAX_MESSAGE = 2000;

/** One printable line: names in a message come from files and may hold anything. */
function oneLine(message: string): string {
  const line = printable(message.replace(/[\s\p{Cc}]+/gu, ' ').trim());
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE)}…` : line;
}

/** The message and exit code of an error that ended a command. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ZttError) {
    return {name: error.name, message: oneLine(error.message), exitCode: error.exitCode};
  }
  if (error instanceof Errors.CLIError) {
    return {name: 'UsageError', message: oneLine(error.message), exitCode: error.oclif.exit ?? 2};
  }
  const {name, message, code, syscall} = asError(error);
  if (code && syscall) {
    // The system's own refusals say what and where.
    const hint = Object.hasOwn(HINTS, code) ? ` ${HINTS[code]}` : '';
    return {name: 'SystemError', message: oneLine(message) + hint, exitCode: 1};
  }
  const limit = error instanceof RangeError ? LIMITS.find(({words}) => words.test(message)) : undefined;
  if (limit) return {name: 'FormatError', message: limit.meaning, exitCode: 1};
  const bug = `${oneLine(`${name}: ${message}`)} This is a bug in ztt; run again with DEBUG=1 for the stack and report it.`;
  return {name: 'InternalError', message: bug, exitCode: 1};
}

/** What to do about a refusal of the system whose words do not say so. */
const HINTS: Readonly<Record<string, string>> = {
  EMFILE: 'Too many files are open; raise the limit with `ulimit -n 1024`.',
  ENFILE: 'Too many files are open on this machine; close some programs.',
  ENOSPC: 'The disk is full; make room.',
};

/** Limits of the engine that only an input beyond all measure reaches. */
const LIMITS = [
  {words: /call stack/, meaning: 'a value in a file is nested too deeply to be read; write it flat.'},
  {
    words: /Invalid string length|Invalid (typed )?array length|allocation failed/,
    meaning: 'a value is too large for the memory; use smaller files or options.',
  },
];

function asError(error: unknown): NodeJS.ErrnoException {
  return error instanceof Error ? error : new Error(String(error));
}

/** The parser's errors, worded like ours: one line that names the flag and where to read on. */
export function asUsageError<E>(
  error: E,
  command: string,
  meant: (error: unknown) => string = () => '',
): E | UsageError {
  if (error instanceof UsageError) {
    const message = unwrapped(error.message);
    return message === error.message ? error : new UsageError(message, {cause: error});
  }
  if (!(error instanceof Errors.CLIError) || error instanceof Errors.ExitError) return error;
  const text = reworded(error, unwrapped(error.message));
  const question = meant(error);
  const where = `see \`${command} --help\`.`;
  return new UsageError(question ? `${text}${question} See ${where.slice(4)}` : `${text}; ${where}`, {
    cause: error,
  });
}

/** Without what oclif puts around the message of a flag's parser, and around every message; it may be coloured. */
const unwrapped = (message: string): string =>
  stripVTControlCharacters(message)
    .replace(/^Parsing --\S+ \n\t/, '')
    .replace(/\nSee more help with --help$/, '');

function reworded(error: InstanceType<typeof Errors.CLIError>, message: string): string {
  const missing = missingArguments(error);
  if (missing) return missing;
  return oneLine(message)
    .replace(/\.$/, '')
    .replace(/^The following errors? occurred: /, '')
    .replace(/Missing required flag ([\w-]+)/g, 'flag --$1 is missing')
    .replace(/^Nonexistent flags?: (.*)$/, 'there is no flag $1')
    .replace(/^Unexpected arguments?: (.*)$/, 'unexpected argument $1')
    .replace(/^Flag (--[\w-]+) expects/, 'flag $1 needs')
    .replace(/^Flag (--[\w-]+) can only be specified once$/, 'flag $1 is given twice')
    .replace(/^Expected (--[\w-]+)=(.*) to be one of: (.*)$/, '$1 is $2; it must be one of $3')
    .replace(/^command (\S+) not found$/i, 'there is no command $1');
}

/** "MODEL is missing", with a hint where a flag that takes many values may have swallowed it. */
function missingArguments(error: Error): string | null {
  if (!('args' in error && Array.isArray(error.args))) return null;
  const names = error.args.flatMap((arg: unknown) =>
    typeof arg === 'object' && arg !== null && 'name' in arg ? [String(arg.name).toUpperCase()] : [],
  );
  if (names.length === 0) return null;
  const swallowed = /Note: (--.*) allows? multiple/.exec(error.message)?.[1];
  const take = swallowed?.includes(',') ? 'take' : 'takes';
  const hint = swallowed ? ` (it stands before ${swallowed}, which ${take} all that follow)` : '';
  return `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} missing${hint}`;
}

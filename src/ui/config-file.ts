import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {parse} from 'yaml';
import {FileError, UsageError} from '../errors.js';
import {asUsageError} from './failure.js';

/** No config comes near this; what is larger is not read. */
const MAX_BYTES = 64 << 10;

/** The part of oclif's flags that this file uses. */
export interface FlagShape {
  type: 'boolean' | 'option';
  char?: string;
  multiple?: boolean;
  allowNo?: boolean;
}

export interface ConfigFor {
  /** The command's flags, by name: the file may set them, but for `config` and those in `but`. */
  flags: Readonly<Record<string, FlagShape>>;
  but?: readonly string[];
  /** The positional argument that the file may set. */
  positional: string;
  /** The file, for where it is not what --config says; null for none. */
  path?: string | null;
}

/** A command line, and the positional argument of the file, for where it has none. */
interface ConfiguredWords {
  words: string[];
  positional: string | null;
}

/**
 * Parses a command line with the flags of the YAML file that its --config names, if it names one, added where it does not
 * give them: the command line wins.
 * @param parse - the command's own parser
 * @throws FileError if the file cannot be read; UsageError naming a key or value that cannot be, and the known keys
 */
export async function parseWithConfig<T>(
  words: readonly string[],
  {flags, but = [], positional: argument, path = wordOf(words, 'config')}: ConfigFor,
  parse: (words: string[]) => Promise<T>,
): Promise<T> {
  if (path === null) return parse([...words]);
  const settable = Object.entries(flags).filter(([name]) => name !== 'config' && !but.includes(name));
  const target = {flags: Object.fromEntries(settable), positional: argument};
  const {words: all, positional} = await withConfigFile(words, path, target);
  try {
    return await parse(all);
  } catch (error) {
    if (!isMissingArgument(error)) throw mentioning(error, path);
    if (positional === null) throw error;
  }
  return parse([positional, ...all]).catch((error: unknown) => {
    throw mentioning(error, path);
  });
}

const isMissingArgument = (error: unknown): boolean =>
  error instanceof Error && /^Missing \d+ required arg/.test(error.message);

/** A flag's own refusal does not know that its value may have come from the file. */
function mentioning(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof FileError) return error;
  const message = asUsageError(error, '').message.replace(/; see ` --help`\.$/, '.');
  return new UsageError(`${message} Flags were taken from ${path} as well.`, {cause: error});
}

async function withConfigFile(
  words: readonly string[],
  path: string,
  {flags, positional}: Pick<ConfigFor, 'flags' | 'positional'>,
): Promise<ConfiguredWords> {
  const values = await readMapping(path);
  const known = [positional, ...Object.keys(flags)].sort();
  const unknown = Object.keys(values).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    const names = unknown.map((name) => JSON.stringify(name)).join(', ');
    throw new UsageError(`${path}: there is no flag ${names}; the known ones are ${known.join(', ')}.`);
  }
  const added: string[] = [];
  let kept = [...words];
  for (const [name, flag] of Object.entries(flags)) {
    const value = values[name];
    const off = `--no-${name}`;
    const isOff = kept.includes(off);
    // A flag that cannot be denied on the command line can be, over a file.
    if (flag.type === 'boolean' && !flag.allowNo && name in values)
      kept = kept.filter((word) => word !== off);
    if (!isOff && !isGiven(words, name, flag.char)) added.push(...wordsOf(path, name, flag, value));
  }
  const model = values[positional];
  return {
    words: [...kept, ...added],
    positional: model === undefined || model === null ? null : scalar(path, positional, model),
  };
}

/** The value of an option in a command line, or null; the last counts. */
export function wordOf(words: readonly string[], name: string, char?: string): string | null {
  let found: string | null = null;
  for (const [i, word] of words.entries()) {
    if (word === `--${name}` || (char && word === `-${char}`)) found = words[i + 1] ?? null;
    else if (word.startsWith(`--${name}=`)) found = word.slice(name.length + 3);
    else if (char && word.startsWith(`-${char}`) && !word.startsWith('--'))
      found = word.slice(2).replace(/^=/, '');
  }
  return found;
}

const isGiven = (words: readonly string[], name: string, char?: string): boolean =>
  words.some(
    (word) =>
      word === `--${name}` ||
      word.startsWith(`--${name}=`) ||
      (char !== undefined && word.startsWith(`-${char}`) && !word.startsWith('--')),
  );

function wordsOf(path: string, name: string, flag: FlagShape, value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (flag.type === 'boolean') {
    if (typeof value !== 'boolean') {
      throw new UsageError(`${path}: ${name} is ${JSON.stringify(value)}; it must be true or false.`);
    }
    if (value) return [`--${name}`];
    return flag.allowNo ? [`--no-${name}`] : [];
  }
  if (Array.isArray(value) && flag.multiple) {
    return value.map((each: unknown) => `--${name}=${scalar(path, name, each)}`);
  }
  return [`--${name}=${scalar(path, name, value)}`];
}

function scalar(path: string, name: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new UsageError(`${path}: ${name} is ${JSON.stringify(value)}; it must be a number or some text.`);
}

async function readMapping(path: string): Promise<Record<string, unknown>> {
  let value: unknown;
  const text = await readSmall(path);
  try {
    value = parse(text, {maxAliasCount: 0, logLevel: 'error'});
  } catch (error) {
    throw new UsageError(`${path} is no valid YAML: ${(error as Error).message}`, {cause: error});
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${path} must hold flags by name, as in \`steps: 200\`.`);
  }
  return value as Record<string, unknown>;
}

async function readSmall(path: string): Promise<string> {
  try {
    // A named pipe would be waited for.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw new FileError(`${path} is no file.`);
      const {size} = stats;
      if (size > MAX_BYTES) throw new FileError(`${path} has ${size} bytes; this is no file of flags.`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof FileError) throw error;
    const {code, message} = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : (code ?? message);
    throw new FileError(`${path} cannot be read: ${why}.`, {cause: error});
  }
}

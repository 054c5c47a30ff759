import {readFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join, resolve} from 'node:path';
import {FileError, HubError, UsageError} from '../../errors.js';

/** The environment variables that the Hub's own tools read. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An access token and where it was found, for messages; the token itself goes into none. */
export interface Token {
  value: string;
  /** `HF_TOKEN`, the token file's path, or the like. */
  from: string;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const TOKEN_VARIABLES = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'];

/**
 * The Hub's address without a slash at its end: the one given, else `HF_ENDPOINT`, else the public Hub.
 * @throws UsageError if it is no http or https address.
 */
export function findEndpoint(given: string | undefined, env: Environment): string {
  const text = given ?? (env.HF_ENDPOINT?.trim() || DEFAULT_ENDPOINT);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    // The text is not repeated: an address with a user and password in it would be one of these.
    throw new UsageError(
      `The Hub's address${given !== undefined ? '' : ' in HF_ENDPOINT'} must be a plain http or https address such as ${DEFAULT_ENDPOINT}.`,
    );
  }
  return text.replace(/\/+$/, '');
}

/** Whether `HF_HUB_OFFLINE` forbids to reach the Hub. */
export const isOffline = (env: Environment): boolean => isTrue(env.HF_HUB_OFFLINE);

/** @throws HubError if `HF_HUB_OFFLINE` forbids to reach the Hub. */
export function requireOnline(env: Environment): void {
  if (isOffline(env)) {
    throw new HubError(
      'HF_HUB_OFFLINE is set, so the Hub is not reached; unset it, or use --dry-run to see what would be pushed.',
    );
  }
}

/**
 * The folder of the cache that all Hugging Face tools share: `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else
 * `hub` in `HF_HOME`, which is `huggingface` in the cache folder (`XDG_CACHE_HOME`, else `~/.cache`) unless set.
 */
export function hubCache(env: Environment): string {
  const given = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  return resolve(given ? expandHome(given) : join(hfHome(env), 'hub'));
}

/** Whether `HF_HUB_DISABLE_SYMLINKS` asks for files in place of links in the cache. */
export const withoutSymlinks = (env: Environment): boolean => isTrue(env.HF_HUB_DISABLE_SYMLINKS);

/**
 * The access token: the one given, else `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`, else the token file
 * (`HF_TOKEN_PATH`, else `token` in `HF_HOME`); undefined if there is none.
 * @throws HubError if what is found cannot be a token; FileError if the token file is unreadable.
 */
export async function findToken(given: string | undefined, env: Environment): Promise<Token | undefined> {
  return (
    tidy(given, 'the token given') ??
    TOKEN_VARIABLES.map((name) => tidy(env[name], name)).find((found) => found !== undefined) ??
    (await readTokenFile(env.HF_TOKEN_PATH ? expandHome(env.HF_TOKEN_PATH) : join(hfHome(env), 'token')))
  );
}

/** As `findToken`. @throws HubError that says how to get one if there is none */
export async function requireToken(given: string | undefined, env: Environment): Promise<Token> {
  const token = await findToken(given, env);
  if (!token) {
    throw new HubError(
      'No Hugging Face token was found; set HF_TOKEN to a token with write access, or run `hf auth login`.',
    );
  }
  return token;
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value?.trim() ?? '');

function hfHome(env: Environment): string {
  if (env.HF_HOME) return expandHome(env.HF_HOME);
  const cache = env.XDG_CACHE_HOME ? expandHome(env.XDG_CACHE_HOME) : join(homedir(), '.cache');
  return join(cache, 'huggingface');
}

const expandHome = (path: string): string => path.replace(/^~(?=$|[/\\])/, () => homedir());

async function readTokenFile(path: string): Promise<Token | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new FileError(`The token file ${path} cannot be read: ${error.code}.`, {cause: error});
  });
  return tidy(text, path);
}

function tidy(text: string | undefined, from: string): Token | undefined {
  const value = text?.trim();
  if (!value) return undefined;
  // A header would refuse such a value, in a message that shows it.
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new HubError(
      `${from} holds no token: there are blanks or odd characters in it. Set HF_TOKEN, or run \`hf auth login\`.`,
    );
  }
  return {value, from};
}

import {HubError} from '../../errors.js';
import {readBody, STALL_MS} from './body.js';
import {
  findEndpoint,
  findToken,
  hubCache,
  isOffline,
  withoutSymlinks,
  type Environment,
  type Token,
} from './environment.js';
import {hubFetch, defaultSleep, type HubFetchOptions} from './hub-fetch.js';

/** How the Hub and its cache are reached; the environment says what is not given. */
export interface HubOptions {
  /** An access token; by default found as the Hub's own tools find it. None is needed for what is public. */
  token?: string;
  /** The Hub's address; by default `HF_ENDPOINT`, else the public Hub. */
  endpoint?: string;
  /** The cache's folder; by default the one that all Hugging Face tools share. */
  cache?: string;
  /** Told what a user should know: a request that is sent again, a cache that stands in for the Hub. */
  onNote?: (line: string) => void;
  signal?: AbortSignal;
  /** The fetch that all requests go through; the global one by default. */
  fetch?: typeof fetch;
  /** The environment; `process.env` by default. */
  env?: Environment;
  /** Attempts a request has in all; 5 by default. */
  attempts?: number;
  /** Waits between attempts; for tests. */
  sleep?: HubFetchOptions['sleep'];
  /** Milliseconds without a byte after which a connection is given up; 30 seconds by default. */
  stallMs?: number;
}

/** What a download works with. */
export interface HubSession {
  endpoint: string;
  token: Token | undefined;
  /** The cache's folder. */
  cache: string;
  /** Whether the cache holds files in place of links. */
  plainFiles: boolean;
  /** Whether the Hub may not be reached. */
  offline: boolean;
  /** A hubFetch for files: bodies come as they are read. */
  fetch: typeof fetch;
  /** A hubFetch for the API: an answer is there wholly, and of bounded size, or the request is sent again. */
  api: typeof fetch;
  /** As `api`, for a question that the cache can answer too: it has one attempt. */
  quickApi: typeof fetch;
  /** As `api`, without a limit on when an answer begins: that of an upload comes when all is sent. */
  uploads: typeof fetch;
  signal: AbortSignal | undefined;
  attempts: number | undefined;
  sleep: NonNullable<HubFetchOptions['sleep']>;
  stallMs: number;
  note: (line: string) => void;
}

/** A page of a listing has some hundred kilobytes. */
const MAX_ANSWER_BYTES = 16 << 20;

/**
 * Opens a session; reaches nothing yet.
 * @param again - what the user does once all attempts of a request failed
 * @throws UsageError for a wrong address; HubError or FileError for a token that cannot be one
 */
export async function openSession(
  options: HubOptions,
  again = 'run the same command again',
): Promise<HubSession> {
  const env = options.env ?? process.env;
  const endpoint = findEndpoint(options.endpoint, env);
  const token = await findToken(options.token, env);
  const stallMs = options.stallMs ?? STALL_MS;
  const sleep = options.sleep ?? defaultSleep;
  const note = options.onNote ?? (() => {});
  const inner = options.fetch ?? globalThis.fetch;
  const common: HubFetchOptions = {
    endpoint,
    token: token?.value,
    fetch: inner,
    again,
    attempts: options.attempts,
    answerMs: stallMs,
    sleep,
    signal: options.signal,
    onRetry: ({attempt, attempts, waitMs, reason}) =>
      note(`${reason}; trying again in ${Math.ceil(waitMs / 1000)} s (attempt ${attempt} of ${attempts})`),
  };
  const buffered = {...common, fetch: bufferedFetch(inner, stallMs)};
  return {
    endpoint,
    token,
    cache: options.cache ?? hubCache(env),
    plainFiles: withoutSymlinks(env),
    offline: isOffline(env),
    fetch: hubFetch(common),
    api: hubFetch(buffered),
    quickApi: hubFetch({...buffered, attempts: 1}),
    uploads: hubFetch({...buffered, answerMs: undefined}),
    signal: options.signal,
    attempts: options.attempts,
    sleep,
    stallMs,
    note,
  };
}

/** A fetch whose answers are there when it resolves, so that one that breaks off has failed like any other. */
function bufferedFetch(inner: typeof fetch, stallMs: number): typeof fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    const {status, headers} = response;
    if (!response.ok) return response;
    const {host} = new URL(input instanceof Request ? input.url : input);
    const body = await readBody(response, MAX_ANSWER_BYTES, stallMs).catch((error: unknown) => {
      throw error instanceof HubError ? new HubError(`${host}: ${error.message}.`, {cause: error}) : error;
    });
    return new Response(status === 204 ? null : new Uint8Array(body), {status, headers});
  };
}

import {setImmediate, setTimeout} from 'node:timers/promises';
import {z} from 'zod';
import {HubError, ZttError} from '../errors.js';
import {HttpFailure} from './http-failure.js';

/** Why a request is sent again, and when. */
export interface Retry {
  /** The attempt that failed, from 1. */
  attempt: number;
  /** Attempts that a request has in all. */
  attempts: number;
  /** Milliseconds until the next. */
  waitMs: number;
  reason: string;
}

export interface HubFetchOptions {
  /** The Hub's address; the token goes to its origin alone. */
  endpoint: string;
  token: string;
  fetch: typeof fetch;
  /** Attempts a request has in all. */
  attempts?: number;
  /** Waits a number of milliseconds; rejects when the signal aborts. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  signal?: AbortSignal;
  onRetry?: (retry: Retry) => void;
}

/** The library wants a token of this form; hubFetch sets the real one, so that no other code holds it. */
export const PLACEHOLDER_TOKEN = 'hf_';

/** Attempts that a request has unless told otherwise: with the waits between them, about a quarter minute. */
export const DEFAULT_ATTEMPTS = 5;
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;

const defaultSleep = async (ms: number, signal?: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, {signal});

/**
 * A fetch for the Hub: sets the token on requests to the endpoint's origin and takes it off all others,
 * and sends a request again, with growing waits, after 408, 429, 5xx and network errors. Bodies must be
 * strings or Blobs, which can be read again. (fetch itself drops the token where a redirect leads elsewhere.)
 * It resolves with a good answer only: it rejects with HttpFailure for any other, HubError if a host cannot
 * be reached, what the body's stream throws, and the signal's reason once that aborts.
 */
export function hubFetch(options: HubFetchOptions): typeof fetch {
  const attempts = options.attempts ?? DEFAULT_ATTEMPTS;
  const sleep = options.sleep ?? defaultSleep;
  const endpoint = new URL(options.endpoint);

  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const fromEndpoint = url.origin === endpoint.origin;
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.delete('authorization');
    if (fromEndpoint) headers.set('authorization', `Bearer ${options.token}`);
    const signals = [init?.signal, options.signal].filter((signal) => signal instanceof AbortSignal);
    const signal = AbortSignal.any(signals);

    for (let attempt = 1; ; attempt++) {
      const last = attempt === attempts;
      let reason: string;
      let waitMs = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), MAX_WAIT_MS);
      try {
        const response = await options.fetch(input, {...init, headers, signal});
        if (response.ok) return response;
        if (last || !isTransient(response.status)) {
          throw new HttpFailure(response.status, url.host, fromEndpoint, await wordsOf(response));
        }
        reason = `${url.host} answered ${response.status}`;
        waitMs = retryAfterMs(response) ?? waitMs;
        await response.body?.cancel();
      } catch (error) {
        // The library's event queue drops an error that comes in the same turn as a progress event.
        await setImmediate();
        signal.throwIfAborted();
        const why = networkReason(error);
        if (why === undefined) throw error;
        reason = `${url.host} cannot be reached: ${why}`;
        if (last) throw unreachable(url.host, fromEndpoint, why, attempts, error);
      }
      options.onRetry?.({attempt, attempts, waitMs, reason});
      await sleep(waitMs, signal);
    }
  };
}

const isTransient = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/** The wait that the server asks for, in milliseconds, bounded. */
function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return seconds >= 0 ? Math.min(seconds * 1000, MAX_WAIT_MS) : undefined;
}

const answerSchema = z.object({error: z.string().optional(), message: z.string().optional()});

/** What the server says of its refusal, where it says it in a form made for that. */
async function wordsOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  const header = response.headers.get('x-error-message');
  if (header || !response.headers.get('content-type')?.includes('json')) return header ?? '';
  try {
    const answer = answerSchema.safeParse(JSON.parse(text)).data;
    return answer?.error ?? answer?.message ?? '';
  } catch {
    return '';
  }
}

const NETWORK_WORDS: Record<string, string> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name service does not answer',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
};

/** What kept a request from its answer, or undefined if the error is of another kind. */
function networkReason(error: unknown): string | undefined {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return undefined;
  const cause = error.cause as NodeJS.ErrnoException;
  // What a body's stream throws comes out in the guise of a network error.
  if (cause instanceof ZttError) throw cause;
  return NETWORK_WORDS[cause.code ?? ''] ?? cause.code ?? cause.message;
}

function unreachable(
  host: string,
  fromEndpoint: boolean,
  why: string,
  attempts: number,
  cause: unknown,
): HubError {
  const who = fromEndpoint ? `The Hub at ${host}` : `${host}, where the Hub keeps large files,`;
  const check = fromEndpoint ? 'check the network, and HF_ENDPOINT if it is set' : 'check the network';
  return new HubError(
    `${who} cannot be reached in ${attempts} attempts (${why}); ${check}, then push again.`,
    {
      cause,
    },
  );
}

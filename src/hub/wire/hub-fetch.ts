import {setImmediate, setTimeout as wait} from 'node:timers/promises';
import {z} from 'zod';
import {HubError} from '../../errors.js';
import {readBody, STALL_MS} from './body.js';
import {HttpFailure} from './http-failure.js';
import {networkTrouble, StalledError} from './network-trouble.js';

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
  /** No token is sent unless given. */
  token?: string;
  fetch: typeof fetch;
  /** What the user does once all attempts failed: `push again`. */
  again: string;
  /** Attempts a request has in all. */
  attempts?: number;
  /** Milliseconds without an answer after which an attempt has failed; none unless given. */
  answerMs?: number;
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
/** The Hub counts requests in windows of five minutes, and asks to wait for the next. */
const MAX_RETRY_AFTER_MS = 300_000;
const MAX_REDIRECTS = 10;
const MAX_REFUSAL_BYTES = 64 << 10;

export const defaultSleep = async (ms: number, signal?: AbortSignal): Promise<void> =>
  wait(ms, undefined, {signal});

/** Milliseconds to wait after a number of failures, from 1. */
export const backOffMs = (failures: number): number =>
  Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), MAX_WAIT_MS);

/**
 * A fetch for the Hub: sets the token on requests to the endpoint's origin and takes it off all others, follows
 * redirects by the same rule and never from https to http, and sends a request again, with growing waits, after 408, 429, 5xx and
 * network errors. Bodies must be strings or Blobs, which can be read again.
 * It resolves with a good answer only: it rejects with HttpFailure for any other, HubError if a host cannot
 * be reached, what the body's stream throws, and the signal's reason once that aborts.
 */
export function hubFetch(options: HubFetchOptions): typeof fetch {
  const attempts = options.attempts ?? DEFAULT_ATTEMPTS;
  const sleep = options.sleep ?? defaultSleep;
  const {origin} = new URL(options.endpoint);

  return async (input, init) => {
    const request = new URL(input instanceof Request ? input.url : input);
    const given = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    const method = init?.method ?? 'GET';
    const signals = [init?.signal, options.signal].filter((signal) => signal instanceof AbortSignal);
    const signal = AbortSignal.any(signals);

    for (let attempt = 1; ; attempt++) {
      const last = attempt === attempts;
      let url = request;
      let reason: string;
      let waitMs = backOffMs(attempt);
      try {
        let response = await send(url);
        for (let hops = 1; isRedirect(response); hops++) {
          if (hops > MAX_REDIRECTS) throw new HubError(`${request.host} redirects without end.`);
          await response.body?.cancel();
          requireSameMethod(response, method, url);
          url = target(response, url);
          response = await send(url);
        }
        if (response.ok) return response;
        const fromEndpoint = url.origin === origin;
        if (last || !isTransient(response.status)) {
          const code = response.headers.get('x-error-code') ?? '';
          throw new HttpFailure(response.status, url.host, fromEndpoint, await wordsOf(response), code);
        }
        reason = `${url.host} answered ${response.status}`;
        waitMs = retryAfterMs(response) ?? waitMs;
        await response.body?.cancel();
      } catch (error) {
        // The library's event queue drops an error that comes in the same turn as a progress event.
        await setImmediate();
        signal.throwIfAborted();
        const trouble = networkTrouble(error);
        if (trouble === undefined) throw error;
        reason = `${url.host} cannot be reached: ${trouble.why}`;
        if (last || !trouble.passing) {
          throw unreachable(url, url.origin === origin, trouble.why, attempt, options.again, error);
        }
      }
      options.onRetry?.({attempt, attempts, waitMs, reason});
      await sleep(waitMs, signal);
    }

    /** One request to one address. */
    async function send(url: URL): Promise<Response> {
      const headers = new Headers(given);
      headers.delete('authorization');
      if (options.token && url.origin === origin) headers.set('authorization', `Bearer ${options.token}`);
      const limited = answerLimit(options.answerMs, signal);
      // Every redirect is looked at here: fetch itself would go on to http with what is sent.
      try {
        return await options.fetch(url, {...init, redirect: 'manual', headers, signal: limited.signal});
      } finally {
        limited.release();
      }
    }
  };
}

/** A signal that aborts when another does, or when no answer came in time. */
function answerLimit(
  ms: number | undefined,
  signal: AbortSignal,
): {signal: AbortSignal; release: () => void} {
  if (ms === undefined) return {signal, release: () => {}};
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new StalledError(ms)), ms);
  return {signal: AbortSignal.any([signal, late.signal]), release: () => clearTimeout(timer)};
}

const isRedirect = ({status, headers}: Response): boolean =>
  [301, 302, 303, 307, 308].includes(status) && headers.has('location');

/** @throws HubError for a redirect that would not send again what is sent */
function requireSameMethod({status}: Response, method: string, from: URL): void {
  if (['GET', 'HEAD'].includes(method) || status === 307 || status === 308) return;
  throw new HubError(
    `${from.host} redirects a ${method} with status ${status}, with which nothing would be sent.`,
  );
}

/** Where a redirect leads. @throws HubError if that is no address, has a user in it, or would leave https */
function target(response: Response, from: URL): URL {
  const location = response.headers.get('location')!;
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to?.username || to?.password) {
    throw new HubError(`${from.host} redirects to an address with a user's name or password in it.`);
  }
  if (to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')) return to;
  throw new HubError(`${from.host} redirects to no https address.`);
}

const isTransient = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/** The wait that the server asks for, as seconds or as a date, in milliseconds, bounded. */
function retryAfterMs(response: Response): number | undefined {
  const text = response.headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

const answerSchema = z.object({error: z.string().optional(), message: z.string().optional()});

/** What the server says of its refusal, where it says it in a form made for that. */
async function wordsOf(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message');
  const json = response.headers.get('content-type')?.includes('json') ?? false;
  if (header || !json) {
    await response.body?.cancel();
    return header ?? '';
  }
  try {
    const text = (await readBody(response, MAX_REFUSAL_BYTES, STALL_MS)).toString('utf8');
    const answer = answerSchema.safeParse(JSON.parse(text)).data;
    return answer?.error ?? answer?.message ?? '';
  } catch {
    return '';
  }
}

function unreachable(
  {host}: URL,
  fromEndpoint: boolean,
  why: string,
  attempts: number,
  again: string,
  cause: unknown,
): HubError {
  const who = fromEndpoint ? `The Hub at ${host}` : `${host}, where the Hub keeps large files,`;
  const check = fromEndpoint ? 'check the network, and HF_ENDPOINT if it is set' : 'check the network';
  const times = attempts > 1 ? ` in ${attempts} attempts` : '';
  return new HubError(`${who} cannot be reached${times} (${why}); ${check}, then ${again}.`, {cause});
}

import {ZttError} from '../../errors.js';

/** A connection that lives and says nothing. */
export class StalledError extends Error {
  constructor(limitMs: number) {
    super(`nothing came for ${limitMs / 1000} s`);
    this.name = 'StalledError';
  }
}

/** What kept a request from its answer, or an answer from its end. */
export interface NetworkTrouble {
  why: string;
  /** Whether it may go well another time. */
  passing: boolean;
}

/** Passing troubles by the codes of Node and of its fetch. */
const PASSING: Record<string, string> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name service does not answer',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  ECONNABORTED: 'the connection was cut',
  EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the connection was cut',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'no answer in time',
  EHOSTUNREACH: 'no way to the host',
  ENETUNREACH: 'no network',
  ENETDOWN: 'no network',
};

/**
 * What a fetch, or reading its body, failed of; undefined if the error is of another kind.
 * @throws what a request's own body threw, which comes out in the guise of a network error
 */
export function networkTrouble(error: unknown): NetworkTrouble | undefined {
  if (error instanceof StalledError) return {why: error.message, passing: true};
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return undefined;
  const cause = error.cause as NodeJS.ErrnoException;
  if (cause instanceof ZttError) throw cause;
  const passing = PASSING[cause.code ?? ''];
  return passing ? {why: passing, passing: true} : {why: cause.code ?? cause.message, passing: false};
}

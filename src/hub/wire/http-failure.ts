const MAX_WORDS = 200;

/**
 * An answer with an error status, before `explain` puts it into words for the user. It holds no address:
 * that of an upload has a signature in it.
 */
export class HttpFailure extends Error {
  constructor(
    readonly status: number,
    /** The host that answered, with its port. */
    readonly host: string,
    /** Whether the host is the Hub's endpoint, and not the storage behind it. */
    readonly fromEndpoint: boolean,
    /** What the server said, as it said it; empty if nothing fit to show. */
    readonly words: string,
    /** The Hub's own name for the failure (X-Error-Code): `GatedRepo`, `RepoNotFound`; empty if it gave none. */
    readonly code = '',
  ) {
    super(`${host} answered ${status}`);
    this.name = 'HttpFailure';
  }
}

/** Text with every access token in it made unreadable. */
export function redact(text: string, token: string | undefined): string {
  const known = token ? text.replaceAll(token, '***') : text;
  return known.replace(/\bhf_[A-Za-z0-9]{8,}/g, '***');
}

/** The status and what the server said, on one line of bounded length, without tokens: `403: Forbidden`. */
export function statusAndWords({status, words}: HttpFailure, token: string | undefined): string {
  const line = redact(words, token)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  const short = line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}…` : line;
  return short ? `${status}: ${short}` : `${status}`;
}

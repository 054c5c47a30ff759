import {HubError} from '../errors.js';
import type {Token} from './environment.js';
import type {RepoId} from './repo-id.js';

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
  ) {
    super(`${host} answered ${status}`);
    this.name = 'HttpFailure';
  }
}

/** Text with every access token in it made unreadable. */
export function redact(text: string, token: string): string {
  return text.replaceAll(token, '***').replace(/\bhf_[A-Za-z0-9]{8,}/g, '***');
}

/** A failure as an error for the user: one line with what was refused and what to do. */
export function explain(failure: HttpFailure, repo: RepoId, token: Token, endpoint: string): HubError {
  const {status, host} = failure;
  const line = redact(failure.words, token.value).replace(/\s+/g, ' ').trim();
  const words = line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}…` : line;
  const said = words ? `${status}: ${words}` : `${status}`;
  if (!failure.fromEndpoint) {
    return new HubError(
      `${host}, where the Hub keeps large files, refused the upload (${said}); push again.`,
    );
  }
  const login = 'set HF_TOKEN or run `hf auth login`';
  if (status === 401) {
    return new HubError(
      `${host} does not accept the token from ${token.from} (${said}); make one with write access at ${endpoint}/settings/tokens, then ${login}.`,
    );
  }
  if (status === 403) {
    return new HubError(
      `The token from ${token.from} may not write to ${repo.namespace} (${said}); use a token with write access to ${repo.id}, or push under another name.`,
    );
  }
  if (status === 404) {
    return new HubError(
      `${host} does not find ${repo.id} (${said}); check the name, that the token from ${token.from} may see it, and HF_ENDPOINT if it is set.`,
    );
  }
  if (status === 409 || status === 412) {
    return new HubError(
      `${repo.id} was changed by another push at the same time (${said}); nothing was committed, push again.`,
    );
  }
  if (status === 429) {
    return new HubError(`${host} limits the rate of requests (${said}); wait some minutes and push again.`);
  }
  if (status >= 500) {
    return new HubError(`${host} is failing (${said}); try again later.`);
  }
  return new HubError(`${host} refused the push to ${repo.id} (${said}).`);
}

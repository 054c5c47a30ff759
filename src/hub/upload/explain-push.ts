import {HubError} from '../../errors.js';
import type {Token} from '../wire/environment.js';
import {statusAndWords, type HttpFailure} from '../wire/http-failure.js';
import type {RepoId} from '../repo/repo-id.js';

/** A failed push as an error for the user: one line with what was refused and what to do. */
export function explainPush(failure: HttpFailure, repo: RepoId, token: Token, endpoint: string): HubError {
  const {status, host} = failure;
  const said = statusAndWords(failure, token.value);
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
      `The token from ${token.from} may not write to ${repo.namespace} (${said}); use a token with write access to ${repo.id}, push under another name, or propose it to a repo that is there with --create-pr.`,
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

import {HubError} from '../../errors.js';
import {statusAndWords, type HttpFailure} from '../wire/http-failure.js';
import type {HubRepo} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';

/** What was asked for when the Hub refused. */
export interface Asked {
  session: HubSession;
  repo: HubRepo;
  revision: string;
  /** The file, if it was one. */
  path?: string;
}

/** Words of the Hub for a token that it does not know, and for a repo that it has closed. */
const WRONG_TOKEN = /invalid (credentials|username|token)|token.*(expired|invalid)/i;
const DISABLED = /disabled/i;

/** A refused download as an error for the user: one line with what was refused and what to do. */
export function explainFetch(failure: HttpFailure, {session, repo, revision, path}: Asked): HubError {
  const {endpoint, token} = session;
  const {status, host, code, words} = failure;
  const said = statusAndWords(failure, token?.value);
  const name = `the ${repo.type} ${repo.name}`;
  const what = path ? `${path} of ${name}` : name;
  const error = (message: string) => new HubError(message, {cause: failure});
  if (!failure.fromEndpoint) {
    return error(
      `${host}, where the Hub keeps large files, refused ${what} (${said}); run the same command again.`,
    );
  }
  const page = `${endpoint}/${repo.type === 'model' ? '' : `${repo.type}s/`}${repo.name}`;
  const login = 'set HF_TOKEN to a token of your account, or run `hf auth login`';
  if (code === 'GatedRepo') {
    const then = token
      ? `then run this again (the token from ${token.from} has no access yet)`
      : `then ${login}`;
    return error(`${host} gives out ${name} only to who asked for it (${said}); ask at ${page}, ${then}.`);
  }
  if (code === 'RevisionNotFound') {
    return error(
      `${name} has no revision ${revision} (${said}); give a branch, a tag, a commit or refs/pr/N.`,
    );
  }
  if (code === 'EntryNotFound') {
    return error(`${name} has no file ${path ?? ''} at ${revision} (${said}).`);
  }
  if (DISABLED.test(words)) {
    return error(`${host} has closed ${name} to everybody (${said}).`);
  }
  if (status === 401 && token && (code === '' || WRONG_TOKEN.test(words))) {
    return error(
      `${host} does not accept the token from ${token.from} (${said}); make a new one at ${endpoint}/settings/tokens, or take the old one away to go without.`,
    );
  }
  if (code === 'RepoNotFound' || status === 401 || status === 404) {
    const seen = token ? `that the token from ${token.from} may see` : 'for everybody to see';
    const hint = token ? 'check the name' : `check the name, or, if it is private or gated, ${login}`;
    return error(`${host} has no ${repo.type} ${repo.name} ${seen} (${said}); ${hint}.`);
  }
  if (status === 403) {
    const who = token ? `the token from ${token.from}` : 'a request without a token';
    return error(
      `${host} does not give ${what} to ${who} (${said}); ${token ? 'give the token read access to it' : login}.`,
    );
  }
  if (status === 429) {
    const more = token ? '' : `, or ${login}: the limit is higher then`;
    return error(
      `${host} limits the rate of requests (${said}); wait some minutes and run the same command again${more}.`,
    );
  }
  if (status >= 500) return error(`${host} is failing (${said}); try again later.`);
  return error(`${host} refused ${what} (${said}).`);
}

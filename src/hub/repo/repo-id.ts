import {UsageError} from '../../errors.js';

/** A repo's id, checked. */
export interface RepoId {
  /** The user or organisation that owns it. */
  namespace: string;
  name: string;
  /** `namespace/name`. */
  id: string;
}

const MAX_LENGTH = 96;

/**
 * A repo id of the form `user/name`, by the Hub's rules: letters, digits, `-`, `_` and `.`; no `--` or `..`;
 * neither `-` nor `.` at either end; no `.git` at the end; at most 96 characters.
 * @throws UsageError that names the rule that is broken.
 */
export function parseRepoId(text: string): RepoId {
  const [namespace, name] = text.split('/');
  const why = namespace && name ? brokenRule(text) : 'it needs a user or organisation and a name';
  if (why !== null)
    throw new UsageError(`${JSON.stringify(text)} is no repo id: ${why}. Give one like user/name.`);
  return {namespace: namespace!, name: name!, id: text};
}

/** Which of the Hub's rules for `user/name`, or `name` alone as some old repos have it, a text breaks; or null. */
function brokenRule(text: string): string | null {
  const parts = text.split('/');
  if (parts.length > 2 || parts.includes('')) return 'it needs a user or organisation and a name';
  for (const part of parts) {
    if (/[^A-Za-z0-9._-]/.test(part)) return 'only letters, digits, -, _ and . may be in it';
    if (/^[-.]|[-.]$/.test(part)) return `${part} starts or ends with - or .`;
    if (/--|\.\./.test(part)) return '-- and .. may not be in it';
  }
  if (text.endsWith('.git')) return 'it ends in .git';
  return text.length > MAX_LENGTH ? `it has ${text.length} characters, more than ${MAX_LENGTH}` : null;
}

const MAX_REVISION = 255;

/** Whether a text can be a revision, by git's rules for the names of branches and tags: `main`, `refs/pr/1`. */
export function isRevision(text: string): boolean {
  const parts = text.split('/');
  return (
    text.length <= MAX_REVISION &&
    !/[^\x21-\x7e]|[\\~^:?*[<>"|]|\.\.|@\{/.test(text) &&
    parts.every((part) => part !== '' && !/^[.-]|\.$|\.lock$/.test(part))
  );
}

const DEFAULT_REVISION = 'main';

/** A repo's page on the public Hub, perhaps at a revision, as it stands in a browser's address bar. */
const PAGE =
  /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\/(?:datasets\/)?([^/?#]+\/[^/?#]+)(?:\/(?:tree|blob)\/([^/?#]+))?(?:[/?#].*)?$/;

/** Whether a text is the address of a repo's page. */
export const isPage = (text: string): boolean => PAGE.test(text);

/** `user/repo` or `user/repo@revision` of a page's address; any other text as it is. */
function pasted(text: string): string {
  const [, repo, revision] = PAGE.exec(text) ?? [];
  if (repo === undefined) return text;
  return revision === undefined ? repo : `${repo}@${revision}`;
}

/** A repo's name and revision from `user/repo`, `repo`, each perhaps with `@revision`, or the address of its page; or why it is none. */
export function parseRepoAt(given: string): {repo: string; revision: string} | {why: string} {
  const text = pasted(given);
  const at = text.indexOf('@');
  const repo = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  const why = brokenRule(repo);
  if (why !== null) return {why};
  if (isRevision(revision)) return {repo, revision};
  return {why: `${JSON.stringify(revision)} is no branch, tag or commit (leave @ out to take the newest)`};
}

import {UsageError} from '../errors.js';

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
  const refuse = (why: string): never => {
    throw new UsageError(`${JSON.stringify(text)} is no repo id: ${why}. Give one like user/name.`);
  };
  const parts = text.split('/');
  const [namespace, name] = parts;
  if (parts.length !== 2 || !namespace || !name) return refuse('it needs a user or organisation and a name');
  for (const part of [namespace, name]) {
    if (/[^A-Za-z0-9._-]/.test(part)) refuse('only letters, digits, -, _ and . may be in it');
    if (/^[-.]|[-.]$/.test(part)) refuse(`${part} starts or ends with - or .`);
    if (/--|\.\./.test(part)) refuse('-- and .. may not be in it');
  }
  if (name.endsWith('.git')) refuse('it ends in .git');
  if (text.length > MAX_LENGTH) refuse(`it has ${text.length} characters, more than ${MAX_LENGTH}`);
  return {namespace, name, id: text};
}

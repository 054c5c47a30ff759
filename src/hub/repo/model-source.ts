import {access} from 'node:fs/promises';
import {FileError, UsageError} from '../../errors.js';
import {isPage, parseRepoAt} from './repo-id.js';

/** What a MODEL argument names: something on this machine, or a repo of the Hub at a revision. */
export type ModelSource = {
  /** The argument as it was given. */
  text: string;
} & (
  | {kind: 'local'; path: string}
  | {
      kind: 'hub';
      repo: string;
      /** A branch, tag, commit or `refs/pr/N`; `main` unless given. */
      revision: string;
    }
);

/** What no repo is called: a path from somewhere, of several folders, or of a file. */
const PATH = /^[./~]|\\|\/$|\/.*\/|\.(safetensors|bin|json|pt|pth|gguf)$/;

/**
 * What a MODEL argument names. A path that exists wins; else `user/repo`, `repo`, each perhaps with `@revision`.
 * @throws FileError if it neither exists nor can be a repo at a revision; UsageError if it is empty.
 */
export async function findModel(text: string): Promise<ModelSource> {
  if (text === '')
    throw new UsageError(
      'MODEL is empty; give a folder, or a repo of the Hub such as openai-community/gpt2.',
    );
  if (await isThere(text)) return {text, kind: 'local', path: text};
  if (PATH.test(text.split('@')[0]!) && !isPage(text)) {
    throw new FileError(
      `${text} does not exist; give a folder with config.json and weights, or a repo of the Hub.`,
    );
  }
  const parsed = parseRepoAt(text);
  if ('why' in parsed) {
    throw new FileError(`${text} does not exist here, and is no repo of the Hub: ${parsed.why}.`);
  }
  return {text, kind: 'hub', ...parsed};
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

import {createReadStream} from 'node:fs';
import {FileError} from '../../errors.js';

/** What must not be published, by the forms that its issuers gave it so that it can be found. */
const SECRETS: readonly [what: string, form: RegExp][] = [
  ['an access token of Hugging Face', /\b(?:hf|api_org)_[A-Za-z0-9]{30,}/g],
  ['a private key', /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----/g],
  ['an access token of GitHub', /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})/g],
  ['an access key of AWS', /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g],
  ['an API key of Google', /\bAIza[\w-]{35}/g],
  ['an API key of OpenAI or Anthropic', /\bsk-(?:proj-|ant-|svcacct-)?[\w-]{32,}/g],
  ['a token of Slack', /\bxox[abprs]-[\w-]{20,}/g],
];

/** The longest part of a secret that its form needs; what overlaps from one chunk to the next. */
const OVERLAP = 256;

/**
 * Looks for a secret in a text file, whatever its size.
 * @returns what it is and in which line, without the secret; null if there is none
 * @throws FileError if the file cannot be read
 */
export async function findSecret(path: string): Promise<{what: string; line: number} | null> {
  let rest = '';
  let line = 1;
  try {
    for await (const chunk of createReadStream(path, {encoding: 'latin1', highWaterMark: 1 << 20})) {
      const text = rest + (chunk as string);
      for (const [what, form] of SECRETS) {
        const found = [...text.matchAll(form)].find(([match]) => !isPlaceholder(match));
        if (found) return {what, line: line + newLines(text.slice(0, found.index))};
      }
      const kept = Math.max(text.length - OVERLAP, 0);
      line += newLines(text.slice(0, kept));
      rest = text.slice(kept);
    }
  } catch (error) {
    throw new FileError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}.`, {cause: error});
  }
  return null;
}

const newLines = (text: string): number => text.split('\n').length - 1;

/** `hf_xxxxxxxx…` and `AKIAIOSFODNN7EXAMPLE` are how one writes that a secret is to be put there. */
function isPlaceholder(match: string): boolean {
  if (match.startsWith('-----')) return false;
  return /example/i.test(match) || new Set(match.slice(-16).toLowerCase()).size < 6;
}

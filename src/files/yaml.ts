import {parse} from 'yaml';
import {FormatError} from '../errors.js';

/**
 * The most characters of YAML from outside that are parsed at once: the parser takes time with the square of some
 * texts, such as a hundred thousand commas.
 */
const MAX_YAML = 64 << 10;

/** For every YAML from outside: no aliases, which multiply a small text, and no warnings on the console. */
export const YAML_OPTIONS = {maxAliasCount: 0, logLevel: 'error', prettyErrors: false} as const;

/**
 * What a YAML text says.
 * @param where - the file, for messages
 * @throws FormatError for a text that is too long or no valid YAML
 */
export function parseYaml(text: string, where: string): unknown {
  requireShortYaml(text, where);
  try {
    return parse(text, YAML_OPTIONS);
  } catch (error) {
    const {message} = error as Error;
    throw new FormatError(`${where} is no valid YAML: ${message.split('\n')[0]}.`, {cause: error});
  }
}

/** @throws FormatError for a YAML text that is too long to be parsed */
export function requireShortYaml(text: string, where: string): void {
  if (text.length > MAX_YAML) {
    throw new FormatError(`${where} has ${text.length} characters of YAML; at most ${MAX_YAML} are read.`);
  }
}

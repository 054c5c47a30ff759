import {isMap, parseDocument, visit, type Document} from 'yaml';
import {jsonSha256, requireShortYaml, YAML_OPTIONS} from '../files/index.js';
import {FormatError} from '../errors.js';

/** A card's metadata: the Hub's keys and their values. */
export type Metadata = Record<string, unknown>;

/** The hash of each value that was generated, by key: whoever changes a value makes it his own. */
export type Written = Record<string, string>;

/** A short hash of a value, by which a change of it is seen. */
export const hashOf = (value: unknown): string => jsonSha256(value ?? null).slice(0, 12);

/**
 * A card's YAML, parsed so that comments stay. What is put in will be read alike by YAML 1.1, where the language `no`
 * is a boolean unless it is in quotes.
 * @throws FormatError if it is none, or no map
 */
export function parseMetadata(yaml: string, where: string): Document {
  requireShortYaml(yaml, where);
  const document = parseDocument(yaml, {...YAML_OPTIONS, compat: 'yaml-1.1'});
  const [error] = document.errors;
  if (error || !(document.contents === null || isMap(document.contents))) {
    throw new FormatError(
      `${where} begins with metadata that is ${error ? 'no valid YAML' : 'no map of keys'}${error ? ` (${error.message.split('\n')[0]})` : ''}; mend it by hand.`,
    );
  }
  // Aliases multiply: two dozen lines of them can stand for a text that no memory holds.
  visit(document, {
    Alias: () => {
      throw new FormatError(
        `${where} begins with metadata that has a YAML alias (*name); write the value out in its place.`,
      );
    },
  });
  return document;
}

/** The value of a YAML document. */
const valuesOf = (document: Document): Metadata => (document.toJS() as Metadata | null) ?? {};

/** The values that a person added or changed. */
export function ownValues(document: Document, written: Written): Metadata {
  const entries = Object.entries(valuesOf(document));
  return Object.fromEntries(entries.filter(([key, value]) => written[key] !== hashOf(value)));
}

/**
 * Puts generated values into a card's metadata: those that nobody has touched since they were written become the new
 * ones or go; what a person added, changed or removed stays so, comments too.
 * @param written - what was generated the last time
 * @returns the YAML without its lines of dashes, and what was generated now
 */
export function mergeMetadata(
  document: Document,
  generated: Metadata,
  written: Written,
): {yaml: string; written: Written} {
  const before = valuesOf(document);
  const untouched = (key: string) => key in before && written[key] === hashOf(before[key]);
  for (const key of Object.keys(written)) {
    if (!(key in generated) && untouched(key)) document.delete(key);
  }
  const now: Written = {};
  for (const [key, value] of Object.entries(generated)) {
    const removed = key in written && !(key in before);
    if (untouched(key) || (!(key in before) && !removed)) {
      if (hashOf(before[key]) !== hashOf(value)) document.set(key, document.createNode(value));
    }
    // A person took this key over or removed it. The old hash stays, so the key is the person's until its value is as before.
    now[key] = untouched(key) || !(key in before || removed) ? hashOf(value) : (written[key] ?? '');
  }
  return {yaml: yamlOf(document), written: now};
}

/** A document's text, in the form that the Hub's own tools write. */
export const yamlOf = (document: Document): string =>
  document.contents === null ? '' : document.toString({lineWidth: 0, indentSeq: false});

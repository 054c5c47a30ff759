import {mkdir, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {readDocuments, type DataFile} from '../../src/data/index.js';
import {Tokenizer} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import type {TempFolder} from '../helpers/temp.js';

export const loadTokenizer = (): Promise<Tokenizer> => Tokenizer.load(join(FIXTURES, 'gpt2-books'));

/** Writes a file into a folder, and gives its path. */
export async function put(temp: TempFolder, name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(dirname(temp.path(name)), {recursive: true});
  await writeFile(temp.path(name), content);
  return temp.path(name);
}

/** A file's documents, each the texts of its parts, those not trained on in brackets. */
export async function documentsOf(file: DataFile): Promise<string[]> {
  const documents: string[] = [];
  for await (const {text, begins, trained} of readDocuments(file)) {
    const shown = trained ? text : `[${text}]`;
    if (begins) documents.push(shown);
    else documents[documents.length - 1] += shown;
  }
  return documents;
}

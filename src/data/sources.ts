import {readdir, stat} from 'node:fs/promises';
import {join, sep} from 'node:path';
import {readText} from '../files/index.js';
import {FileError, UsageError} from '../errors.js';
import {isSynthetic, openSynthetic, type Split, type SyntheticTask} from '../synthetic/index.js';
import {datasetFiles} from './dataset-files.js';
import {hasColumns, requireKnownKind} from './documents.js';
import type {DataFile} from './parts.js';

/** A dataset repo of the Hub, as far as it is needed: the hub gives it to the commands, and they to the data. */
export interface DatasetRepo {
  /** The names of all its files. */
  names: readonly string[];
  /** Fetches files, and gives their places on this machine, in the same order. */
  fetch: (names: readonly string[]) => Promise<string[]>;
}

/** Opens `user/name` or `user/name@revision`. */
export type OpenDataset = (repo: string) => Promise<DatasetRepo>;

/** One source of text, as it was given, and what is behind it. */
export interface DataSource {
  /** What was named, without the weight. */
  name: string;
  /** Its files; none of a synthetic task. */
  files: DataFile[];
  synthetic?: SyntheticTask;
  /** Its share of what is drawn, relative to others; undefined if none was given. */
  weight?: number;
}

const WEIGHT = /^(.+)=(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A synthetic task's own `key=value` is no weight. */
const SYNTHETIC_WEIGHT = /^([^?=]+|[^?]+\?.*=[^=&]*)=(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** `user/name` or `name`, perhaps with `@revision`. */
const REPO = /^([A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]*(@[\w./-]+)?$/;

const README = 'README.md';
const MAX_README_BYTES = 16 << 20;

/**
 * What a source names: `FILE`, `FILE:COLUMN`, a dataset as `DATASET[:CONFIG][:SPLIT]`, a synthetic task as
 * `synthetic:NAME[?key=value&…]`, each perhaps followed by `=WEIGHT`. A dataset is a folder, or a repo of the Hub.
 * What exists under a whole name is that, whatever is in the name.
 * @param openDataset - opens repos of the Hub; without it there are none
 * @param split - of a synthetic task that names none
 * @throws FileError if there is nothing of that name, UsageError or FormatError for a column, config, split or
 *   synthetic task that cannot be
 */
export async function findSource(
  spec: string,
  openDataset?: OpenDataset,
  split: Split = 'train',
): Promise<DataSource> {
  if (await isThere(spec)) return {name: spec, files: await filesAt(spec, [])};
  const {name, weight} = splitWeight(spec);
  if (weight !== undefined && !(weight > 0 && Number.isFinite(weight))) {
    throw new UsageError(`${spec}: the weight must be a number above 0.`);
  }
  if (isSynthetic(name)) return {name, weight, files: [], synthetic: openSynthetic(name, split)};
  return {name, weight, files: await findFiles(name, openDataset)};
}

/** What a source names, and the weight behind it if there is one. */
export function splitWeight(spec: string): {name: string; weight: number | undefined} {
  const weighed = (isSynthetic(spec) ? SYNTHETIC_WEIGHT : WEIGHT).exec(spec);
  return weighed
    ? {name: weighed[1]!, weight: Number(weighed[2]! + (weighed[3] ?? ''))}
    : {name: spec, weight: undefined};
}

async function findFiles(name: string, openDataset: OpenDataset | undefined): Promise<DataFile[]> {
  const [head, ...rest] = name.split(':') as [string, ...string[]];
  for (let words = 0; words <= rest.length; words++) {
    const cut = rest.length - words;
    const path = [head, ...rest.slice(0, cut)].join(':');
    if (await isThere(path)) return filesAt(path, rest.slice(cut));
  }
  if (!REPO.test(head) || hasColumns(head) || /\.(txt|gz)$/i.test(head) || rest.length > 2) {
    throw new FileError(`${name} cannot be read: no such file.`);
  }
  if (!openDataset) throw new FileError(`${name} does not exist; give a file or a folder.`);
  return (await fetchDataset(head, rest, openDataset)).map((path) => ({path}));
}

/**
 * Fetches the files of a split of a dataset repo, and gives their places on this machine.
 * @param repo - `user/name`, perhaps with `@revision`
 * @param words - a config and a split, as in `datasetFiles`
 * @throws FormatError if it has no such split; what `openDataset` throws
 */
export async function fetchDataset(
  repo: string,
  words: readonly string[],
  openDataset: OpenDataset,
): Promise<string[]> {
  const opened = await openDataset(repo);
  const readme = opened.names.includes(README) ? await readReadme((await opened.fetch([README]))[0]!) : null;
  return opened.fetch(datasetFiles(repo, opened.names, readme, words));
}

/** The files of a path that exists, and what follows it: a column of a file, a config and a split of a folder. */
async function filesAt(path: string, words: readonly string[]): Promise<DataFile[]> {
  if (!(await stat(path)).isDirectory()) {
    requireKnownKind(path);
    if (words.length === 0) return [{path}];
    const column = words.join(':');
    if (column === '') throw new UsageError(`${path}: a column must follow the colon.`);
    if (!hasColumns(path)) {
      throw new UsageError(`${path}:${column}: only .jsonl and .parquet files have columns.`);
    }
    return [{path, column}];
  }
  if (words.length > 2)
    throw new UsageError(`${path}: only a config and a split may follow a dataset's name.`);
  return (await datasetInFolder(path, words)).map((file) => ({path: file}));
}

/** The files of a split of a dataset that lies in a folder as its repo does. @throws as `fetchDataset` */
export async function datasetInFolder(folder: string, words: readonly string[]): Promise<string[]> {
  const names = (await readdir(folder, {recursive: true})).map((name) => name.replaceAll(sep, '/'));
  const readme = names.includes(README) ? await readReadme(join(folder, README)) : null;
  return datasetFiles(folder, names, readme, words).map((name) => join(folder, name));
}

const readReadme = (path: string): Promise<string> => readText(path, MAX_README_BYTES);

const isThere = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

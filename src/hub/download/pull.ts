import {copyFile} from 'node:fs/promises';
import {join} from 'node:path';
import {Checkpoint} from '../../checkpoint/index.js';
import {requireFreeOutput, requireFreeSpace, writeFolder} from '../../files/index.js';
import {FileError, HubError, UsageError} from '../../errors.js';
import {readModelConfig} from '../../model/index.js';
import {fileHash} from '../wire/content-hash.js';
import type {OnBytes} from './fetch-into-cache.js';
import {smallFiles, weightNames} from './model-files.js';
import {findModel} from '../repo/model-source.js';
import type {OpenRepo} from './open-repo.js';
import {isModelFile} from '../repo/model-repo-files.js';
import {openSession, type HubOptions} from '../wire/session.js';

export interface PullOptions extends HubOptions {
  /** `user/repo`, perhaps with `@revision`. */
  model: string;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** Replace a model that lies at `output` already, once the new one is whole. */
  force?: boolean;
  /** Told how far the download is, in bytes; not called if nothing is missing in the cache. */
  onProgress?: OnBytes;
}

export interface PullReport {
  repo: string;
  /** The commit that was pulled. */
  commit: string;
  output: string;
  files: {path: string; bytes: number}[];
  /** Names of files at the top of the repo that are no model's, and stayed there. */
  leftOut: string[];
}

/**
 * Brings a model repo into a folder, as `push` sends one: config, weights in the form that is read, tokenizer, code,
 * card, and what ztt keeps beside them. It comes through the shared cache, whose copies stay; the folder's files are
 * checked against the hashes that the Hub lists, and it appears whole or not at all.
 * @throws UsageError for a local path; HubError if the Hub refuses or cannot be reached; FileError if the output cannot
 *   be, or a copy has another hash; UnsupportedError or FormatError if it is no model; InterruptedError
 */
export async function pull(options: PullOptions): Promise<PullReport> {
  const {output, signal} = options;
  const source = await findModel(options.model);
  if (source.kind === 'local') {
    throw new UsageError(`${options.model} is here already; name a repo of the Hub to pull, as user/name.`);
  }
  const replace = {replace: options.force ?? false};
  const target = await requireFreeOutput(output, replace);
  const session = await openSession(options);
  // Loaded here, so that a command line that pulls nothing does not load the Hub's library.
  const [{openRepo}, {listTop}] = await Promise.all([
    import('./open-repo.js'),
    import('../wire/repo-info.js'),
  ]);
  const open = await openRepo(session, {type: 'model', name: source.repo}, source.revision, listTop);
  const weights = new Set(await weightFiles(open));
  const wanted = [...open.names].filter((name) => !name.includes('/') && isModelFile(name, weights)).sort();
  const files = wanted.map((name) => ({path: name, bytes: listed(open, name).size}));
  await requireFreeSpace(
    target,
    files.reduce((sum, {bytes}) => sum + bytes, 0),
  );
  await open.fetch(wanted, options.onProgress);
  await open.remember();
  await writeFolder(
    output,
    async (stage) => {
      for (const name of wanted) {
        signal?.throwIfAborted();
        await copyChecked(open, name, join(stage, name), signal);
      }
      // What cannot be read is not put into its place.
      await readModelConfig(stage);
      await (await Checkpoint.open(stage)).close();
    },
    replace,
  );
  return {
    repo: open.repo.name,
    commit: open.commit,
    output,
    files,
    leftOut: [...open.names].filter((name) => !wanted.includes(name)).sort(),
  };
}

/** The weight files, and their index if they have one; small files that decide it are fetched. */
async function weightFiles(open: OpenRepo): Promise<string[]> {
  await open.fetch(smallFiles(open));
  const names = await weightNames(open);
  const indexes = ['model.safetensors.index.json', 'pytorch_model.bin.index.json'];
  return [...names, ...(names.length > 1 ? indexes.filter((name) => open.names.has(name)) : [])];
}

/** What the Hub lists of a file, by which its copy is checked. @throws HubError where only the cache was asked */
function listed(open: OpenRepo, name: string) {
  const file = open.listed(name);
  if (file) return file;
  throw new HubError(
    `${open.label} cannot be pulled: what is pulled is checked against the Hub's list, and the Hub was not reached.`,
  );
}

async function copyChecked(open: OpenRepo, name: string, to: string, signal?: AbortSignal): Promise<void> {
  const file = listed(open, name);
  const from = open.cache.entry(open.commit, name);
  await copyFile(from, to);
  if ((await fileHash(to, file.hash, file.size, signal)) === file.etag) return;
  throw new FileError(
    `The cache's copy of ${name} has another ${file.hash} than the Hub lists; remove ${open.cache.blob(file)} and ${from}, and pull again.`,
  );
}

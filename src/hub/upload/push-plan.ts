import type {Dirent} from 'node:fs';
import {readdir, realpath, stat} from 'node:fs/promises';
import {join, sep} from 'node:path';
import {z} from 'zod';
import {Checkpoint} from '../../checkpoint/index.js';
import {readJson} from '../../files/index.js';
import {FileError} from '../../errors.js';
import {CONFIG, isModelFile} from '../repo/model-repo-files.js';
import {findSecret} from './secrets.js';

/** A file that a push sends. */
export interface PlannedFile {
  /** Its name in the repo. */
  path: string;
  bytes: number;
  /** The file on disk, links resolved. */
  source: string;
}

/** An entry of the folder that a push leaves out. */
export interface LeftOut {
  /** Its name in the folder, with a slash after a folder's. */
  path: string;
  reason: string;
}

/** What a push of a folder sends and what it leaves out, each by name. */
export interface PushPlan {
  dir: string;
  files: PlannedFile[];
  leftOut: LeftOut[];
  /** Bytes of all files together. */
  bytes: number;
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

const SECRET =
  /^\.env|^\.netrc|^\.npmrc|token|secret|passw|credential|api[-_]?key|^id_[a-z0-9]+$|\.(pem|key|p12|pfx|jks|kdbx)$/i;

const indexSchema = z.object({weight_map: z.record(z.string(), z.string())});
const configSchema = z.looseObject({});

/**
 * Plans a push: which files of a checkpoint folder would go. Only what a model repo holds goes (config,
 * the checkpoint's own weight files, tokenizer files, README, licence, code at the top); all else is left
 * out with a reason. The whole checkpoint is checked, and every file but the weights for secrets. Reaches no network.
 * @throws FileError if the folder is missing, is no safetensors checkpoint, or a file to send is a link out
 *   of the folder or has a secret in it; FormatError or UnsupportedError if the checkpoint is broken.
 */
export async function planPush(dir: string): Promise<PushPlan> {
  const entries = await list(dir);
  const weights = await weightNames(dir, entries);
  const root = await realpath(dir);
  const files: PlannedFile[] = [];
  const leftOut: LeftOut[] = [];
  for (const entry of entries) {
    const reason = whyLeftOut(entry, weights);
    if (reason === null) files.push(await plan(dir, root, entry.name));
    else leftOut.push({path: entry.isDirectory() ? `${entry.name}/` : entry.name, reason});
  }
  if (!files.some((file) => file.path === CONFIG)) {
    throw new FileError(`${dir} is no checkpoint: it has no ${CONFIG}.`);
  }
  await readJson(join(dir, CONFIG), configSchema);
  const checkpoint = await Checkpoint.open(dir);
  await checkpoint.close();
  for (const {path, source} of files) {
    if (path === INDEX || !weights.has(path)) await requireNoSecret(join(dir, path), source);
  }
  return {dir, files, leftOut, bytes: files.reduce((sum, file) => sum + file.bytes, 0)};
}

async function list(dir: string): Promise<Dirent[]> {
  const entries = await readdir(dir, {withFileTypes: true}).catch((error: NodeJS.ErrnoException) => {
    const words: Record<string, string> = {ENOENT: 'does not exist', ENOTDIR: 'is no folder'};
    const why = words[error.code ?? ''] ?? `cannot be read (${error.code})`;
    throw new FileError(`${dir} ${why}; give a folder with ${CONFIG} and ${SINGLE}.`, {cause: error});
  });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The names of the weight files that make up the checkpoint, as its readers choose them. */
async function weightNames(dir: string, entries: readonly Dirent[]): Promise<ReadonlySet<string>> {
  const names = new Set(entries.map((entry) => entry.name));
  if (names.has(SINGLE)) return new Set([SINGLE]);
  if (!names.has(INDEX)) {
    throw new FileError(`${dir} is no checkpoint that can be pushed: it has neither ${SINGLE} nor ${INDEX}.`);
  }
  const {weight_map: weightMap} = await readJson(join(dir, INDEX), indexSchema);
  return new Set([INDEX, ...Object.values(weightMap)]);
}

/** Why an entry stays behind, or null if it goes. */
function whyLeftOut(entry: Dirent, weights: ReadonlySet<string>): string | null {
  const {name} = entry;
  if (entry.isDirectory()) {
    if (name === 'checkpoints') return 'saved states of a training run';
    return name.startsWith('.') ? 'hidden' : 'a folder; only files at the top are pushed';
  }
  if (!entry.isFile() && !entry.isSymbolicLink()) return 'no regular file';
  if (isModelFile(name, weights)) return null;
  if (SECRET.test(name)) return 'looks like a secret';
  if (/(\.(partial|part|tmp|incomplete)|~)$/i.test(name)) return 'an unfinished file';
  if (name.startsWith('.')) return 'hidden';
  if (name === 'metrics.jsonl') return 'the log of a training run';
  if (/\.safetensors(\.index\.json)?$/.test(name)) return "none of this checkpoint's weight files";
  return 'no file that a model repo holds';
}

async function requireNoSecret(path: string, source: string): Promise<void> {
  const found = await findSecret(source);
  if (!found) return;
  throw new FileError(
    `${path} has what looks like ${found.what} in line ${found.line}, so nothing is pushed; take it out, and revoke it if others saw it.`,
  );
}

async function plan(dir: string, root: string, name: string): Promise<PlannedFile> {
  const path = join(dir, name);
  const source = await realpath(path).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${path} cannot be read: ${error.code}.`, {cause: error});
  });
  if (!source.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw new FileError(
      `${path} is a link that leads out of the folder, to ${source}; put a copy of the file in its place to push it.`,
    );
  }
  const found = await stat(source);
  if (!found.isFile()) throw new FileError(`${path} is no regular file.`);
  return {path: name, bytes: found.size, source};
}

import {createHash} from 'node:crypto';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

export interface HubFile {
  content: Buffer;
  lfs: boolean;
}

export interface HubCommit {
  oid: string;
  title: string;
  /** Every file of the repo at this commit, by name. */
  files: Map<string, HubFile>;
}

export interface HubRepo {
  private: boolean;
  /** Who asks for a file must have been let in: `asked` is not yet. */
  gated?: 'asked' | 'granted';
  /** Closed by the Hub. */
  disabled?: boolean;
  /** Those of main, oldest first. */
  commits: HubCommit[];
  /** Those of other branches and of pull requests. */
  beside: HubCommit[];
  /** Branches, tags and pull requests beside main, with their commits. */
  refs: Map<string, string>;
}

export const sha = (algorithm: 'sha1' | 'sha256', data: string | Buffer): string =>
  createHash(algorithm).update(data).digest('hex');

/** What git names a blob of this content by. */
const gitSha1 = (content: Buffer): string =>
  createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex');

const etags = new WeakMap<HubFile, string>();

/** What names a file in the cache. */
export function etagOf(file: HubFile): string {
  const etag = etags.get(file) ?? (file.lfs ? sha('sha256', file.content) : gitSha1(file.content));
  etags.set(file, etag);
  return etag;
}

/** A config.json that is a model's, for repos whose weights are none. */
export const CONFIG = readFileSync('fixtures/oracle/gpt2/config.json');

/** The files of a folder, the large ones in LFS as the Hub's .gitattributes have it. */
export function filesOf(folder: string): Record<string, Buffer> {
  const files = readdirSync(folder, {withFileTypes: true}).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map(({name}) => [name, readFileSync(join(folder, name))]));
}

export const isLfs = (name: string): boolean => /\.(safetensors|bin|h5|msgpack|gguf|parquet)$/.test(name);

import {createHash, type Hash} from 'node:crypto';
import {FileBlob} from './file-blob.js';
import type {RepoFile} from './repo-info.js';

/** What the Hub names a content by: sha256 (large files), or git's sha1 of a blob (the others). */
export type HashKind = RepoFile['hash'];

/** A hash of a content of so many bytes: sha256 of it, or what git names a blob by, sha1 of its length and content. */
export function contentHash(kind: HashKind, bytes: number): Hash {
  return kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/**
 * The hash of a file on disk, in hex.
 * @param bytes - its size
 * @throws FileError if it cannot be read, or became shorter; the signal's reason once that aborts
 */
export async function fileHash(
  path: string,
  kind: HashKind,
  bytes: number,
  signal?: AbortSignal,
): Promise<string> {
  const hash = contentHash(kind, bytes);
  // Node's streams can be iterated, whatever the DOM's types say.
  const chunks = new FileBlob(path, 0, bytes).stream() as unknown as AsyncIterable<Uint8Array>;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest('hex');
}

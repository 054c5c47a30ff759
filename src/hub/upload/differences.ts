import {fileHash, type HashKind} from '../wire/content-hash.js';
import type {PlannedFile} from './push-plan.js';
import type {RepoFile} from '../wire/repo-info.js';

/** A file that a repo does not hold as it is on disk. */
export interface Difference {
  file: PlannedFile;
  /** In words, what the repo holds in its place. */
  holds: string;
}

/** The hashes of planned files, each read from disk once for a kind of hash. */
export class LocalHashes {
  private readonly known = new Map<string, string>();

  constructor(private readonly signal: AbortSignal | undefined) {}

  /** @throws FileError if the file cannot be read; the signal's reason once that aborts */
  async of({source, bytes}: PlannedFile, kind: HashKind): Promise<string> {
    const key = `${kind} ${source}`;
    const hash = this.known.get(key) ?? (await fileHash(source, kind, bytes, this.signal));
    this.known.set(key, hash);
    return hash;
  }
}

/** The files that a listing does not hold with their size and hash. @throws as `LocalHashes.of` */
export async function differences(
  files: readonly PlannedFile[],
  listing: readonly RepoFile[],
  hashes: LocalHashes,
): Promise<Difference[]> {
  const listed = new Map(listing.map((file) => [file.path, file]));
  const found: Difference[] = [];
  for (const file of files) {
    const there = listed.get(file.path);
    if (!there) found.push({file, holds: 'none'});
    else if (there.size !== file.bytes) found.push({file, holds: `one of ${there.size} bytes`});
    else if (there.etag !== (await hashes.of(file, there.hash))) {
      found.push({file, holds: `one with another ${there.hash}`});
    }
  }
  return found;
}

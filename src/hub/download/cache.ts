import {randomBytes} from 'node:crypto';
import {
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  statfs,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import {dirname, join, relative, sep} from 'node:path';
import {FileError, HubError} from '../../errors.js';
import {isCommit, type HubRepo, type RepoFile} from '../wire/repo-info.js';

/**
 * A repo's folder in the shared cache, laid out as Python's huggingface_hub does it:
 * `blobs/<etag>` holds contents, `snapshots/<commit>/<name>` links to them, `refs/<revision>` holds a commit.
 */
export class RepoCache {
  readonly folder: string;

  /**
   * @param root - the cache's folder
   * @param plainFiles - whether snapshots hold files in place of links
   */
  constructor(
    private readonly root: string,
    repo: HubRepo,
    private readonly plainFiles: boolean,
  ) {
    this.folder = join(root, `${repo.type}s--${repo.name.replaceAll('/', '--')}`);
  }

  blob({etag}: RepoFile): string {
    return join(this.folder, 'blobs', etag);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /**
   * A file's place in a snapshot.
   * @throws HubError for a name that could mean another place on some system
   */
  entry(commit: string, name: string): string {
    const folder = this.snapshot(commit);
    const path = join(folder, ...name.split('/'));
    // eslint-disable-next-line no-control-regex
    if (/[\\:\x00-\x1f\x7f]/.test(name) || !path.startsWith(folder + sep)) {
      throw new HubError(`${JSON.stringify(name)} is no name that a file of the cache can have.`);
    }
    return path;
  }

  /** Whether a snapshot holds a file, in the size that the Hub lists. */
  async holds(commit: string, file: RepoFile): Promise<boolean> {
    return hasSize(this.entry(commit, file.path), file.size);
  }

  /**
   * Puts a file into a snapshot whose content is in `blobs`.
   * @returns whether there was such content
   */
  async link(commit: string, file: RepoFile): Promise<boolean> {
    const blob = this.blob(file);
    const entry = this.entry(commit, file.path);
    if (!(await hasSize(blob, file.size))) return false;
    await mkdir(dirname(entry), {recursive: true});
    // Where links cannot be, the content moves, as Python does it: twice the disk would be worse.
    if (this.plainFiles || !(await tryLink(relative(dirname(entry), blob), entry))) await rename(blob, entry);
    return true;
  }

  /** The commit that a revision stood for when it was last fetched. */
  async readRef(revision: string): Promise<string | undefined> {
    const text = await readFile(join(this.folder, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.readRef(revision)) === commit) return;
    const path = join(this.folder, 'refs', ...revision.split('/'));
    await mkdir(dirname(path), {recursive: true});
    // Begun elsewhere: all that lies in refs/ is read as a revision.
    const begun = join(this.folder, 'blobs', `ref.${randomBytes(4).toString('hex')}.incomplete`);
    await writeFile(begun, commit, {flush: true});
    await rename(begun, path);
  }

  /** The names of all files in a snapshot. */
  async names(commit: string): Promise<string[]> {
    const folder = this.snapshot(commit);
    const entries = await readdir(folder, {recursive: true}).catch(() => []);
    return entries.map((name) => name.replaceAll(sep, '/'));
  }

  /** @throws FileError if the disk has less room than this many bytes */
  async requireRoom(bytes: number): Promise<void> {
    await mkdir(join(this.folder, 'blobs'), {recursive: true}).catch((error: unknown) => {
      throw asCacheError(error, this.root);
    });
    const {bavail, bsize, blocks} = await statfs(this.folder);
    // Some network file systems tell nothing.
    if (blocks > 0 && bavail * bsize < bytes) {
      throw new FileError(
        `${bytes} bytes are to be downloaded to ${this.root}, and the disk has room for ${bavail * bsize}; make room, or set HF_HUB_CACHE to a folder on another disk.`,
      );
    }
  }
}

/** What went wrong with the cache's disk, in words; every other error as it is. */
export function asCacheError(error: unknown, path: string): unknown {
  const words: Record<string, string> = {
    ENOSPC: 'the disk is full; make room and run the same command again, which goes on from there',
    EDQUOT: 'your quota of the disk is used up; make room and run the same command again',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'a part of the path is no folder',
    EEXIST: 'a part of the path is no folder',
  };
  const {code} = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || !code || !Object.hasOwn(words, code)) return error;
  return new FileError(
    `The cache at ${path} cannot be written: ${words[code]}. HF_HUB_CACHE names another folder.`,
    {
      cause: error,
    },
  );
}

async function hasSize(path: string, size: number): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile() && found.size === size,
    () => false,
  );
}

/** Whether a link could be made; it takes the place of whatever was there. */
async function tryLink(target: string, path: string): Promise<boolean> {
  for (;;) {
    try {
      await symlink(target, path);
      return true;
    } catch (error) {
      const {code} = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') {
        if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'].includes(code ?? '')) return false;
        throw error;
      }
      if ((await readlink(path).catch(() => null)) === target) return true;
      await unlink(path);
    }
  }
}

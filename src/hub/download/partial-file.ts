import {open, readdir, rename, rm, stat, type FileHandle} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {isRunning, MACHINE} from '../../files/index.js';

/** The owner says this often that it lives, by the file's time. */
const HEARTBEAT_MS = 5000;
/** Another machine's file, or one whose owner's number has gone to another process, is dead after this. */
const DEAD_MS = 90_000;
const POLL_MS = 300;

/** The process's number in the name of a file that none is at. */
const NOBODY = 0;

/** The blobs that this process is downloading, by path. */
const active = new Set<string>();

export interface ClaimOptions {
  /** Whether there is nothing to download any more. */
  isDone: () => Promise<boolean>;
  signal?: AbortSignal;
  /** Told once if another process is waited for. */
  onWait: () => void;
  /** Milliseconds without a sign of life after which another's file is taken over. */
  deadMs?: number;
}

/**
 * A file of the cache that is being downloaded, for one process alone. It lies beside its final place as
 * `<etag>.<machine>-<process>.incomplete`; whoever comes after a process that died goes on with its file.
 * (Python's huggingface_hub names its own the same way, with other owners, and leaves these alone.)
 */
export class PartialFile {
  private lost = false;
  private closed = false;
  private readonly heartbeat: NodeJS.Timeout;

  private constructor(
    private readonly blob: string,
    readonly path: string,
    private readonly handle: FileHandle,
    /** Bytes that are there already. */
    readonly size: number,
  ) {
    this.heartbeat = setInterval(() => void this.beat(), HEARTBEAT_MS).unref();
  }

  /**
   * Begins a blob's download, or takes up one that was broken off; waits while another process is at it.
   * @returns null once it is done, by another
   */
  static async claim(blob: string, options: ClaimOptions): Promise<PartialFile | null> {
    const {isDone, onWait, signal} = options;
    const sleep = (ms: number) => setTimeout(ms, undefined, {signal});
    const watch = new Watch(options.deadMs ?? DEAD_MS);
    for (let waits = 0; ; waits++) {
      if (await isDone()) return null;
      const {alive, dead} = await watch.survey(blob);
      if (!alive && !active.has(blob)) {
        active.add(blob);
        const partial = await PartialFile.begin(blob, dead).catch((error: unknown) => {
          active.delete(blob);
          throw error;
        });
        // Two that began at the same moment see each other here; both step back, and one comes first then.
        const alone = !(await watch.survey(blob)).alive;
        // Whoever was at it may have ended between the first look and this.
        if (alone && !(await isDone())) return partial;
        await partial.release();
        if (!alone) await sleep(Math.random() * POLL_MS);
      } else {
        if (waits === 0) onWait();
        await sleep(POLL_MS);
      }
    }
  }

  /** Bytes of a blob that are there already, unfinished. */
  static async sizeLeft(blob: string): Promise<number> {
    return Math.max(0, ...(await partialsOf(blob)).map(({size}) => size));
  }

  /** Takes up the longest of the files that dead processes left, else begins one. */
  private static async begin(blob: string, dead: readonly Found[]): Promise<PartialFile> {
    const path = nameOf(blob, process.pid);
    let taken = false;
    for (const {path: left} of [...dead].sort((a, b) => b.size - a.size)) {
      // Renaming is what makes it this process's: of two that try, one finds nothing.
      if (taken) await rm(left, {force: true});
      else taken = await renamed(left, path);
    }
    const handle = await open(path, taken ? 'r+' : 'wx+');
    return new PartialFile(blob, path, handle, (await handle.stat()).size);
  }

  /** @throws the system's error, of a full disk for instance; PartialLost if another process took the file */
  async write(bytes: Uint8Array, at: number): Promise<void> {
    if (this.lost) throw new PartialLost();
    for (let done = 0; done < bytes.byteLength;) {
      done += (await this.handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten;
    }
  }

  /** The bytes up to one of them. */
  async *read(end: number): AsyncGenerator<Uint8Array> {
    const buffer = Buffer.allocUnsafe(Math.min(end, 1 << 20));
    for (let at = 0; at < end;) {
      const {bytesRead} = await this.handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /** Cuts the file to its first bytes. */
  async truncate(size: number): Promise<void> {
    await this.handle.truncate(size);
  }

  /** Gives the file, which is whole, its final name. @throws PartialLost if another process took it */
  async finish(): Promise<void> {
    await this.handle.sync();
    const mine = await this.isMine();
    await this.close();
    try {
      if (!mine) throw new PartialLost();
      await rename(this.path, this.blob);
    } finally {
      // Not before: this process's own file counts as left by nobody once it is not active.
      active.delete(this.blob);
    }
  }

  /** Lets go of the file, for another to go on with, unless it has been finished. */
  async release(): Promise<void> {
    if (this.closed) return;
    const {size} = await this.handle.stat();
    if (await this.isMine()) {
      if (size > 0) await rename(this.path, nameOf(this.blob, NOBODY));
      else await rm(this.path, {force: true});
    }
    await this.close();
    active.delete(this.blob);
  }

  private async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.heartbeat);
    await this.handle.close();
  }

  private async beat(): Promise<void> {
    const now = new Date();
    // The file may just be closing.
    await this.handle.utimes(now, now).catch(() => {});
    this.lost ||= !(await this.isMine());
  }

  /** Whether the name still leads to the open file: a process that was taken for dead has lost it. */
  private async isMine(): Promise<boolean> {
    const [there, here] = await Promise.all([stat(this.path), this.handle.stat()]).catch(() => []);
    return there !== undefined && there.ino === here?.ino;
  }
}

/** The file was taken over by another process, which goes on with it. */
export class PartialLost extends Error {}

interface Found {
  path: string;
  machine: string;
  process: number;
  size: number;
  mtimeMs: number;
}

const nameOf = (blob: string, process: number): string => `${blob}.${MACHINE}-${process}.incomplete`;

/** The unfinished files of a blob, whosoever. */
async function partialsOf(blob: string): Promise<Found[]> {
  const start = `${basename(blob)}.`;
  const names = await readdir(dirname(blob)).catch(() => []);
  const found = names.map(async (name) => {
    const owner =
      name.startsWith(start) && /^([0-9a-f]{8})-(\d+)\.incomplete$/.exec(name.slice(start.length));
    if (!owner) return [];
    const path = join(dirname(blob), name);
    const there = await stat(path).catch(() => null);
    if (!there) return [];
    return [{path, machine: owner[1]!, process: Number(owner[2]), size: there.size, mtimeMs: there.mtimeMs}];
  });
  return (await Promise.all(found)).flat();
}

/** Watches other processes' unfinished files, to know which are being written. */
class Watch {
  private readonly seen = new Map<string, {size: number; mtimeMs: number; since: number}>();

  constructor(private readonly deadMs: number) {}

  /** Whether another process is downloading a blob, and what dead ones left of it. */
  async survey(blob: string): Promise<{alive: boolean; dead: Found[]}> {
    const found = await partialsOf(blob);
    const dead = found.filter((one) => !this.isAlive(one));
    return {alive: dead.length < found.length, dead};
  }

  private isAlive({path, machine, process: number, size, mtimeMs}: Found): boolean {
    if (machine === MACHINE && (number === NOBODY || number === process.pid || !isRunning(number)))
      return false;
    const now = performance.now();
    const last = this.seen.get(path);
    if (!last || last.size !== size || last.mtimeMs !== mtimeMs) {
      this.seen.set(path, {size, mtimeMs, since: now});
      return true;
    }
    return now - last.since < this.deadMs;
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  );
}

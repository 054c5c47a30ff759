import {CHUNK_BYTES, requireRange, type ByteFile} from '../../checkpoint/index.js';
import {HubError} from '../../errors.js';
import {bodyChunks} from '../wire/body.js';
import {explainFetch} from './explain-fetch.js';
import {fileUrl} from '../wire/file-url.js';
import {HttpFailure} from '../wire/http-failure.js';
import {backOffMs, DEFAULT_ATTEMPTS} from '../wire/hub-fetch.js';
import {networkTrouble} from '../wire/network-trouble.js';
import type {HubRepo, RepoFile} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';

/** Headers and directories are read in small steps: a request for less brings so much, which is kept. */
const WINDOW_BYTES = 256 << 10;
/** Windows that are kept: the start of a file and its end are read by turns. */
const WINDOWS = 4;
/** The most bytes that one read is for. */
const MAX_READ_BYTES = 256 << 20;
/** How far into a file is read past bytes that were not asked for, where a server knows no ranges. */
const MAX_SKIP_BYTES = 16 << 20;

interface Window {
  start: number;
  bytes: Buffer;
}

/** A file of the Hub that is read by ranges, over the network. */
export class RemoteFile implements ByteFile {
  /** The newest last. */
  private windows: Window[] = [];

  constructor(
    private readonly session: HubSession,
    private readonly repo: HubRepo,
    private readonly commit: string,
    private readonly file: RepoFile,
  ) {}

  get path(): string {
    return `${this.repo.name}/${this.file.path}`;
  }

  get size(): number {
    return this.file.size;
  }

  /** @throws FormatError if the file ends before; HubError if the Hub refuses or breaks, or it is too much */
  async read(offset: number, length: number): Promise<Buffer> {
    requireRange(this, offset, length);
    if (length > MAX_READ_BYTES) {
      throw new HubError(
        `${length} bytes of ${this.path} are needed at once; download the model to read it.`,
      );
    }
    if (length === 0) return Buffer.alloc(0);
    // Of its own memory, as a view of numbers must be aligned.
    if (length >= WINDOW_BYTES) return this.fetchRange(offset, length);
    const end = offset + length;
    let window = this.windows.find(({start, bytes}) => start <= offset && end <= start + bytes.length);
    if (!window) {
      const start = Math.max(0, Math.min(offset, this.size - WINDOW_BYTES));
      window = {start, bytes: await this.fetchRange(start, Math.min(WINDOW_BYTES, this.size - start))};
      this.windows = [...this.windows.slice(1 - WINDOWS), window];
    }
    const copy = Buffer.allocUnsafeSlow(length);
    window.bytes.copy(copy, 0, offset - window.start, end - window.start);
    return copy;
  }

  async *chunks(offset: number, length: number): AsyncGenerator<Uint8Array> {
    requireRange(this, offset, length);
    const end = offset + length;
    for (let start = offset; start < end; start += CHUNK_BYTES) {
      yield await this.fetchRange(start, Math.min(CHUNK_BYTES, end - start));
    }
  }

  close(): Promise<void> {
    this.windows = [];
    return Promise.resolve();
  }

  private async fetchRange(start: number, length: number): Promise<Buffer> {
    const {session, repo, commit, file} = this;
    const attempts = session.attempts ?? DEFAULT_ATTEMPTS;
    for (let failures = 1; ; failures++) {
      try {
        return await this.request(start, length);
      } catch (error) {
        session.signal?.throwIfAborted();
        if (error instanceof HttpFailure) {
          throw explainFetch(error, {session, repo, revision: commit, path: file.path});
        }
        const trouble = networkTrouble(error);
        if (trouble === undefined) throw error;
        if (failures >= attempts || !trouble.passing) {
          throw new HubError(`${this.path} could not be read: the connection broke (${trouble.why}).`, {
            cause: error,
          });
        }
        await session.sleep(backOffMs(failures), session.signal);
      }
    }
  }

  private async request(start: number, length: number): Promise<Buffer> {
    const {session, repo, commit, file} = this;
    const range = `bytes=${start}-${start + length - 1}`;
    const response = await session.fetch(fileUrl(session, repo, commit, file), {
      headers: {range, 'accept-encoding': 'identity'},
      signal: session.signal,
    });
    const skip = response.status === 206 ? 0 : start;
    const announced = response.headers.get('content-range');
    const wrong = response.status === 206 && announced?.split('/')[0] !== range.replace('=', ' ');
    if (wrong || skip > MAX_SKIP_BYTES) {
      await response.body?.cancel();
      const why = wrong ? `answers ${announced}` : 'knows no ranges';
      throw new HubError(
        `${new URL(session.endpoint).host} was asked for ${range} of ${this.path}, and ${why}; download the model to read it.`,
      );
    }
    return takeBytes(response, skip, length, session.stallMs);
  }
}

/** Some bytes of a body; what comes after them is not waited for. */
async function takeBytes(response: Response, skip: number, length: number, stallMs: number): Promise<Buffer> {
  const taken = Buffer.allocUnsafeSlow(length);
  let at = -skip;
  for await (const chunk of bodyChunks(response, stallMs)) {
    const from = Math.max(0, -at);
    if (from < chunk.byteLength) {
      taken.set(chunk.subarray(from, from + length - Math.max(at, 0)), Math.max(at, 0));
    }
    at += chunk.byteLength;
    if (at >= length) return taken;
  }
  throw new TypeError('terminated', {cause: Object.assign(new Error(), {code: 'UND_ERR_SOCKET'})});
}

import type {Hash} from 'node:crypto';
import {HubError} from '../../errors.js';
import {bodyChunks} from '../wire/body.js';
import {contentHash} from '../wire/content-hash.js';
import {HttpFailure} from '../wire/http-failure.js';
import {backOffMs, DEFAULT_ATTEMPTS} from '../wire/hub-fetch.js';
import {networkTrouble} from '../wire/network-trouble.js';
import type {PartialFile} from './partial-file.js';
import type {RepoFile} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';

/** A connection that brought less than this before it broke brought nothing: an end to tries must come. */
const PROGRESS_BYTES = 64 << 10;

export interface TransferOptions {
  session: HubSession;
  /** The file's address at its commit. */
  url: string;
  file: RepoFile;
  partial: PartialFile;
  /** Told how many bytes of the file are there; fewer than before when it had to begin anew. */
  onBytes: (there: number) => void;
}

/**
 * Fills a partial file with a file of the Hub: goes on from what is there, asks for the rest each time that the
 * connection breaks, and checks the whole against its hash. What has another hash is fetched once more.
 * @throws HubError if the content is not what the Hub lists, or connections keep breaking; HttpFailure if a
 *   server refuses; the system's error of a write
 */
export async function transfer(options: TransferOptions): Promise<void> {
  const {file, partial} = options;
  const resumed = partial.size > 0;
  for (let tries = 1; ; tries++) {
    const download = new Download(options);
    if (tries === 1 && partial.size <= file.size) await download.resume(partial.size);
    else await partial.truncate(0);
    await download.run();
    if (download.digest() === file.etag) return;
    await partial.truncate(0);
    options.onBytes(0);
    if (tries === 2) {
      throw new HubError(
        `${file.path} came with another ${file.hash} than the Hub lists, twice; it was discarded. Something between here and the Hub alters or mixes up files: try again later, or over another network.`,
      );
    }
    const what = resumed ? 'with the part that was there before has' : 'came with';
    options.session.note(
      `${file.path} ${what} another ${file.hash} than the Hub lists; fetching it once more`,
    );
  }
}

class Download {
  private at = 0;
  private hash: Hash;
  /** The ETag of the answer that the bytes so far came with, from whatever host. */
  private etag: string | null = null;

  constructor(private readonly options: TransferOptions) {
    this.hash = contentHash(options.file.hash, options.file.size);
  }

  /** Takes the file's first bytes as they lie there. */
  async resume(bytes: number): Promise<void> {
    for await (const chunk of this.options.partial.read(bytes)) {
      this.options.session.signal?.throwIfAborted();
      this.hash.update(chunk);
      this.at += chunk.byteLength;
    }
    this.options.onBytes(this.at);
  }

  digest(): string {
    return this.hash.digest('hex');
  }

  /** Fetches what is missing. */
  async run(): Promise<void> {
    const {file, session} = this.options;
    const attempts = session.attempts ?? DEFAULT_ATTEMPTS;
    for (let failures = 0; this.at < file.size;) {
      const from = this.at;
      try {
        await this.receive(await this.request());
      } catch (error) {
        session.signal?.throwIfAborted();
        const trouble = networkTrouble(error);
        if (trouble === undefined) throw error;
        failures = this.at - from >= PROGRESS_BYTES ? 1 : failures + 1;
        if (failures >= attempts || !trouble.passing) {
          throw new HubError(
            `${file.path} could not be downloaded: the connection broke ${failures} times (${trouble.why}). What came is kept; run the same command again to go on from there.`,
            {cause: error},
          );
        }
        session.note(`${file.path} broke off (${trouble.why}); going on at ${this.at} of ${file.size} bytes`);
        await session.sleep(backOffMs(failures), session.signal);
      }
    }
  }

  private async request(): Promise<Response> {
    const {session, url} = this.options;
    // Compressed, a file would have other ranges and sizes.
    const headers = new Headers({'accept-encoding': 'identity'});
    if (this.at > 0) {
      headers.set('range', `bytes=${this.at}-`);
      // Where the file is another by now, its whole comes. A weak tag promises no equal bytes.
      if (this.etag && !this.etag.startsWith('W/')) headers.set('if-range', this.etag);
    }
    try {
      return await session.fetch(url, {headers, signal: session.signal});
    } catch (error) {
      // The server has fewer bytes than are here: what is here is not its file.
      if (!(error instanceof HttpFailure && error.status === 416 && this.at > 0)) throw error;
      await this.startOver();
      return this.request();
    }
  }

  /** Writes and hashes an answer's body. */
  private async receive(response: Response): Promise<void> {
    const {file, partial, session, onBytes} = this.options;
    if (this.at > 0 && response.status !== 206) await this.startOver();
    try {
      checkAnnounced(response, file, this.at);
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    this.etag = response.headers.get('etag');
    for await (const chunk of bodyChunks(response, session.stallMs)) {
      if (chunk.byteLength > file.size - this.at) {
        await partial.truncate(0);
        throw new HubError(
          `${file.path} has more bytes than the ${file.size} that the Hub lists; it was not kept.`,
        );
      }
      await partial.write(chunk, this.at);
      this.hash.update(chunk);
      this.at += chunk.byteLength;
      onBytes(this.at);
    }
    if (this.at < file.size) throw cutShort();
  }

  private async startOver(): Promise<void> {
    await this.options.partial.truncate(0);
    this.hash = contentHash(this.options.file.hash, this.options.file.size);
    this.at = 0;
    this.etag = null;
    this.options.onBytes(0);
  }
}

/** @throws HubError if an answer's headers say that it is not the rest of the file that the Hub lists */
function checkAnnounced({status, headers}: Response, file: RepoFile, at: number): void {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (status === 206) {
    if (range && Number(range[1]) === at && (range[3] === '*' || Number(range[3]) === file.size)) return;
    throw new HubError(
      `${file.path}: bytes ${at} to ${file.size} were asked for, and the answer is ${headers.get('content-range') ?? 'some other range'}.`,
    );
  }
  const length = headers.get('content-length');
  if (length !== null && !headers.has('content-encoding') && Number(length) !== file.size) {
    throw new HubError(
      `${file.path} comes with ${length} bytes, where the Hub lists ${file.size}; it was not kept.`,
    );
  }
}

/** A body that ended well before its file did. */
const cutShort = (): TypeError =>
  new TypeError('terminated', {cause: Object.assign(new Error(), {code: 'UND_ERR_SOCKET'})});

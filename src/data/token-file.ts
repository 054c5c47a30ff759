import {createHash} from 'node:crypto';
import {open, type FileHandle} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import {DiskFile, reuseChunk} from '../checkpoint/index.js';
import {readJson, writeFileWhole} from '../files/index.js';
import {FormatError} from '../errors.js';
import {markUsed} from './cache-bounds.js';

// A token file is a folder: tokens.bin, a little-endian uint32 a token (its id and two flags), and index.json.

const TOKENS = 'tokens.bin';
const INDEX = 'index.json';
const TOKEN_BYTES = 4;

/** The flags of a token, beside its id in the lower 30 bits. */
export const BEGINS = 2 ** 31;
export const UNTRAINED = 2 ** 30;
const ID = UNTRAINED - 1;

export const idOf = (token: number): number => token & ID;
/** Whether it is a document's first. */
export const begins = (token: number): boolean => token >= BEGINS;
/** Whether predicting it counts in the loss. */
export const trained = (token: number): boolean => (token & UNTRAINED) === 0;

const indexSchema = z.object({
  version: z.literal(2),
  tokens: z.number().int().nonnegative(),
  documents: z.number().int().nonnegative(),
  /** -1 where there are none. */
  largest_id: z.number().int().min(-1),
  /** Of tokens.bin, in hex. */
  sha256: z.string(),
});

type Index = z.output<typeof indexSchema>;

/** Tokens that are held before they are written. */
const BUFFER = 1 << 18;

/** Writes a token file into a folder, as tokens come. */
export class TokenWriter {
  private readonly buffer = new Uint32Array(BUFFER);
  private readonly hash = createHash('sha256');
  private filled = 0;
  private tokens = 0;
  private documents = 0;
  private largest = -1;

  private constructor(
    private readonly folder: string,
    private readonly handle: FileHandle,
  ) {}

  static async create(folder: string): Promise<TokenWriter> {
    return new TokenWriter(folder, await open(join(folder, TOKENS), 'wx'));
  }

  /** Adds ids; with BEGINS, the first of them begins a document, with UNTRAINED, they do not count. */
  async add(ids: ArrayLike<number>, flags: number): Promise<void> {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const own = i === 0 ? flags : flags % BEGINS;
      if (this.filled === BUFFER) await this.flush();
      this.buffer[this.filled++] = id + own;
      this.largest = Math.max(this.largest, id);
    }
    this.tokens += ids.length;
    if (flags >= BEGINS && ids.length > 0) this.documents++;
  }

  async finish(): Promise<void> {
    await this.flush();
    const {tokens, documents, largest} = this;
    const sha256 = this.hash.digest('hex');
    const index: Index = {version: 2, tokens, documents, largest_id: largest, sha256};
    await writeFileWhole(join(this.folder, INDEX), `${JSON.stringify(index)}\n`);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async flush(): Promise<void> {
    const bytes = new Uint8Array(this.buffer.buffer, 0, this.filled * TOKEN_BYTES);
    this.hash.update(bytes);
    await this.handle.writeFile(bytes);
    this.filled = 0;
  }
}

/** Tokens on disk, read by range. */
export class TokenFile {
  private constructor(
    private readonly file: DiskFile,
    private readonly index: Index,
    private readonly release: () => Promise<void>,
  ) {}

  /**
   * Opens a token file, which is in use until it is closed.
   * @throws FileError or FormatError if it is not there, or not what was written
   */
  static async open(folder: string): Promise<TokenFile> {
    const release = await markUsed(folder);
    try {
      return await TokenFile.openMarked(folder, release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  private static async openMarked(folder: string, release: () => Promise<void>): Promise<TokenFile> {
    const index = await readJson(join(folder, INDEX), indexSchema);
    const file = await DiskFile.open(join(folder, TOKENS));
    try {
      const hash = createHash('sha256');
      for await (const chunk of file.chunks(0, file.size)) {
        hash.update(chunk);
        reuseChunk(chunk);
      }
      if (file.size !== index.tokens * TOKEN_BYTES || hash.digest('hex') !== index.sha256) {
        throw new FormatError(`${file.path} is not what was written there.`);
      }
      return new TokenFile(file, index, release);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get tokens(): number {
    return this.index.tokens;
  }

  get documents(): number {
    return this.index.documents;
  }

  /** The largest of its ids, or -1. */
  get largestId(): number {
    return this.index.largest_id;
  }

  /** Of all its tokens and flags, in hex. */
  get sha256(): string {
    return this.index.sha256;
  }

  /** So many tokens with their flags, from a place on. */
  async read(start: number, count: number): Promise<Uint32Array> {
    const bytes = await this.file.read(start * TOKEN_BYTES, count * TOKEN_BYTES);
    return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  }

  async close(): Promise<void> {
    await this.file.close();
    await this.release();
  }
}

import {createHash} from 'node:crypto';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {UsageError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';
import {readDocuments} from './documents.js';

export interface TokenOptions {
  files: readonly string[];
  tokenizer: Tokenizer;
  /** Put in front of every document, so that a model sees where one begins; null for none. */
  separator: number | null;
  /** Called after each file. */
  onFile?: (path: string, tokens: number) => void;
}

/**
 * All documents of the files as one stream of token ids.
 * @throws FileError or FormatError for a file that cannot be read
 */
export async function tokenStream(options: TokenOptions): Promise<Int32Array> {
  const {files, tokenizer, separator} = options;
  const parts: Int32Array[] = [];
  for (const path of files) {
    let tokens = 0;
    for (const document of await readDocuments(path)) {
      const ids = tokenizer.encode(document, false);
      const part = Int32Array.from(separator === null ? ids : [separator, ...ids]);
      parts.push(part);
      tokens += part.length;
    }
    options.onFile?.(path, tokens);
  }
  const stream = new Int32Array(parts.reduce((n, part) => n + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    stream.set(part, filled);
    filled += part.length;
  }
  return stream;
}

/** The sha256 of a token stream, in hex: tells a run that resumes whether its data is still the same. */
export const streamSha256 = (stream: Int32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(stream.buffer, stream.byteOffset, stream.byteLength))
    .digest('hex');

/**
 * A token stream cut into blocks of `length` tokens, dealt out in batches. Each epoch has its own order, which
 * depends on the seed and the epoch alone, so that a batch's number is all that a resumed run needs to know.
 */
export class BlockBatches {
  private readonly count: number;
  private shuffled: {epoch: number; order: Int32Array} | undefined;

  /** @throws UsageError if the stream has fewer tokens than a block */
  constructor(
    private readonly stream: Int32Array,
    private readonly length: number,
    private readonly batchSize: number,
    private readonly seed: number,
  ) {
    this.count = Math.floor(stream.length / length);
    if (this.count === 0) {
      throw new UsageError(
        `the data has ${stream.length} tokens, fewer than one sequence of ${length}; give more data or a smaller seq-len.`,
      );
    }
  }

  /** Whole blocks in the data. */
  get blocks(): number {
    return this.count;
  }

  /** The batch of this number (0-based): [batchSize][length] token ids. */
  batch(index: number): number[][] {
    return Array.from({length: this.batchSize}, (_, row) => {
      const place = index * this.batchSize + row;
      const block = this.order(Math.floor(place / this.count))[place % this.count]!;
      return [...this.stream.subarray(block * this.length, (block + 1) * this.length)];
    });
  }

  /** The order of the blocks in an epoch: a Fisher-Yates shuffle. */
  private order(epoch: number): Int32Array {
    if (this.shuffled?.epoch === epoch) return this.shuffled.order;
    const random = xoroshiro128plus(this.seed * 1_000_003 + epoch);
    const order = Int32Array.from({length: this.count}, (_, block) => block);
    for (let i = this.count - 1; i > 0; i--) {
      const j = uniformInt(random, 0, i);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    this.shuffled = {epoch, order};
    return order;
  }
}

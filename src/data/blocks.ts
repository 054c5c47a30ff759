import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {UsageError} from '../errors.js';
import {begins, idOf, trained, type TokenFile} from './token-file.js';
import {seededBy} from './seeded.js';

/** Sequences of equal length, each with what of it counts in the loss. */
export interface Batch {
  /** [B][T] token ids. */
  ids: number[][];
  /** [B][T]: whether predicting a token counts; undefined where all do. */
  lossMask?: boolean[][];
}

/** One sequence, and what of it counts in the loss. */
export interface Block {
  ids: number[];
  counts: boolean[];
}

export interface BlockOptions {
  /** Tokens a block. */
  length: number;
  /** Leave out the loss of each document's first token where another document stands before it. */
  isolateDocuments: boolean;
}

/** Token files, one after another, cut into blocks of equal length; what is left at the end is not used. */
export class Blocks {
  readonly count: number;
  readonly tokens: number;

  constructor(
    private readonly files: readonly TokenFile[],
    private readonly options: BlockOptions,
  ) {
    this.tokens = files.reduce((n, file) => n + file.tokens, 0);
    this.count = Math.floor(this.tokens / options.length);
  }

  /** How many documents begin in the files. */
  get documents(): number {
    return this.files.reduce((n, file) => n + file.documents, 0);
  }

  /** The block of this number. */
  async read(number: number): Promise<Block> {
    const {length, isolateDocuments} = this.options;
    const tokens = await this.tokensFrom(number * length);
    return {
      ids: Array.from(tokens, idOf),
      counts: Array.from(tokens, (token) => trained(token) && !(isolateDocuments && begins(token))),
    };
  }

  /** A block's tokens, from a place of all files together on. */
  private async tokensFrom(place: number): Promise<Uint32Array> {
    const tokens = new Uint32Array(this.options.length);
    let filled = 0;
    let start = 0;
    for (const file of this.files) {
      const from = place + filled - start;
      if (from < file.tokens && filled < tokens.length) {
        const part = await file.read(from, Math.min(file.tokens - from, tokens.length - filled));
        tokens.set(part, filled);
        filled += part.length;
      }
      start += file.tokens;
    }
    return tokens;
  }
}

/** Blocks as a batch. */
export function batchOf(blocks: readonly Block[]): Batch {
  const ids = blocks.map((block) => block.ids);
  const lossMask = blocks.map(({counts}) => counts);
  return lossMask.every((row) => row.every((counts) => counts)) ? {ids} : {ids, lossMask};
}

/** Numbers in an order that depends on the seeds alone: a Fisher-Yates shuffle. */
export function shuffled(numbers: Uint32Array, ...seeds: number[]): Uint32Array {
  const random = seededBy(...seeds);
  const order = numbers.slice();
  for (let i = order.length - 1; i > 0; i--) {
    const j = uniformInt(random, 0, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Some blocks of a source of batches, and how often it is drawn from beside the others. */
export interface Pool {
  blocks: Blocks;
  /** Which of the blocks. */
  numbers: Uint32Array;
  /** Relative to the other pools'. */
  weight: number;
}

/** The rows after which pools take turns as before. Weights are met to one part in this. */
const PERIOD = 4096;

/**
 * Blocks dealt out in batches. Each pool's blocks come in an order of their own each epoch, which depends on the seed
 * and the epoch alone, and which pool a row is from on the row's number: a batch's number is all that a resumed run
 * needs to know.
 */
export class BlockBatches {
  /** By place in the period: the pool, and how many places before it are the same pool's. */
  private readonly turns: {pool: Uint32Array; before: Uint32Array; each: number[]};
  private readonly orders: ({epoch: number; order: Uint32Array} | undefined)[];

  /** @throws UsageError for a pool without a block, or whose weight is too small beside the others' */
  constructor(
    private readonly pools: readonly Pool[],
    private readonly batchSize: number,
    private readonly seed: number,
  ) {
    this.turns = takeTurns(
      pools.map(({weight}) => weight),
      seed,
    );
    this.orders = pools.map(() => undefined);
  }

  /** The batch of this number (0-based). */
  async batch(index: number): Promise<Batch> {
    const rows = Array.from({length: this.batchSize}, (_, i) => this.rowAt(index * this.batchSize + i));
    const read: Block[] = [];
    for (const {pool, number} of rows) read.push(await this.pools[pool]!.blocks.read(number));
    return batchOf(read);
  }

  /** The pool and the block of a row, counted from the first of all. */
  private rowAt(row: number): {pool: number; number: number} {
    const {pool: turns, before, each} = this.turns;
    const place = row % turns.length;
    const pool = turns[place]!;
    const drawn = Math.floor(row / turns.length) * each[pool]! + before[place]!;
    const {length} = this.pools[pool]!.numbers;
    return {pool, number: this.order(pool, Math.floor(drawn / length))[drawn % length]!};
  }

  /** The order of a pool's blocks in an epoch. */
  private order(pool: number, epoch: number): Uint32Array {
    const kept = this.orders[pool];
    if (kept?.epoch === epoch) return kept.order;
    const order = shuffled(this.pools[pool]!.numbers, this.seed, epoch, pool);
    this.orders[pool] = {epoch, order};
    return order;
  }
}

/** Shares a period out by weight, as evenly as whole places can, in an order of the seed. */
function takeTurns(weights: readonly number[], seed: number): BlockBatches['turns'] {
  if (weights.length === 1) return {pool: Uint32Array.of(0), before: Uint32Array.of(0), each: [1]};
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (weight / total) * PERIOD);
  const each = exact.map(Math.floor);
  const byRest = exact
    .map((_, i) => i)
    .sort((a, b) => exact[b]! - each[b]! - (exact[a]! - each[a]!) || a - b);
  const left = PERIOD - each.reduce((sum, places) => sum + places, 0);
  for (const pool of byRest.slice(0, left)) each[pool]! += 1;
  const none = each.indexOf(0);
  if (none >= 0) {
    throw new UsageError(
      `a weight of ${weights[none]} of ${total} in all is too small: at least one sequence in ${PERIOD} must be of each.`,
    );
  }
  const pool = shuffled(
    Uint32Array.from(each.flatMap((places, pool) => Array<number>(places).fill(pool))),
    seed,
  );
  const seen = weights.map(() => 0);
  return {pool, before: pool.map((pool) => seen[pool]!++), each};
}

import {jsonSha256} from '../files/index.js';
import {UsageError} from '../errors.js';
import {batchOf, Blocks, BlockBatches, shuffled, type Batch, type Block, type Pool} from './blocks.js';
import type {Split} from '../synthetic/index.js';
import {checkOptions} from '../options/index.js';
import {DATA_OPTIONS} from './options.js';
import {findSource, type DataSource, type OpenDataset} from './sources.js';
import {cachedTokens, type TokenOptions} from './token-cache.js';
import type {TokenFile} from './token-file.js';

export interface DataOptions extends TokenOptions {
  /** What to train on; see `findSource`. */
  sources: readonly string[];
  /** What is not trained on, but evaluated; nothing unless given. */
  heldOut?: HeldOut;
  /** Opens datasets of the Hub; without it there are none. */
  openDataset?: OpenDataset;
  /** Tokens a sequence. */
  seqLen: number;
  /** Sequences a batch. */
  batchSize: number;
  seed: number;
  /** Leave out the loss of each document's first token, before which another document stands. */
  isolateDocuments?: boolean;
}

/** Sources of their own, or a share of the blocks of `sources`, above 0 and below 1, and the most blocks of it. */
export type HeldOut = {sources: readonly string[]} | {share: number; atMost?: number};

/** The text of a run: blocks of tokens on disk, shared out over what is trained on and what is held out. */
export interface TrainingData {
  /** What is trained on: the batch of this number (0-based), the same whatever was asked for before. */
  batch(index: number): Promise<Batch>;
  /** How many blocks are held out. */
  heldOutBlocks: number;
  /** So many of the held-out blocks, or all if there are fewer: the same ones each time. */
  heldOut(atMost: number): Promise<Batch>;
  /** In `sources`, trained on or held out. */
  tokens: number;
  documents: number;
  /** Of the tokens and of what decides how they are dealt out, in hex: tells whether a resumed run has the same data. */
  sha256: string;
  close(): Promise<void>;
}

/** The seed's second part for what is held out: no epoch's. */
const HELD_OUT_SEED = -1;

/**
 * Reads the sources into the token cache and shares their blocks out. Sources without weights are mixed by size; if
 * one has a weight, each is drawn from by its own, 1 where it has none.
 * @throws FileError, FormatError or UsageError for data that cannot be used; InterruptedError after an abort
 */
export async function openTrainingData(options: DataOptions): Promise<TrainingData> {
  const {heldOut: held, seed, batchSize, openDataset} = options;
  if (options.sources.length === 0) throw new UsageError('there is no data; name at least one file.');
  const share = held && 'share' in held ? held.share : undefined;
  checkOptions(DATA_OPTIONS, {heldOut: share});
  const findAll = async (specs: readonly string[], split: Split) =>
    Promise.all(specs.map((spec) => findSource(spec, openDataset, split)));
  // All of them first: a wrong name is told before hours of tokenising.
  const sources = await findAll(options.sources, 'train');
  const others = await findAll(held && 'sources' in held ? held.sources : [], 'validation');
  const files: TokenFile[] = [];
  const close = async () => {
    for (const file of files) await file.close();
  };
  try {
    const pools: Pool[] = [];
    for (const group of groups(sources)) pools.push(await openPool(group, files, options));
    const split = pools.map((pool) => splitPool(pool, held, seed));
    const training = split.map(({training}) => training);
    const aside =
      others.length > 0 ? [await openPool(others, files, options)] : split.map(({heldOut}) => heldOut);
    const identity = {
      version: 1,
      tokens: files.map(({sha256}) => sha256),
      weights: pools.map(({weight}) => weight),
      heldOut: aside.map(({numbers}) => numbers.length),
      isolateDocuments: options.isolateDocuments ?? false,
    };
    const batches = new BlockBatches(training, batchSize, seed);
    return {
      batch: (index) => batches.batch(index),
      heldOutBlocks: aside.reduce((n, {numbers}) => n + numbers.length, 0),
      heldOut: (atMost) => firstBlocks(aside, atMost),
      tokens: pools.reduce((n, {blocks}) => n + blocks.tokens, 0),
      documents: pools.reduce((n, {blocks}) => n + blocks.documents, 0),
      sha256: jsonSha256(identity),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is drawn from together: all sources, or each by itself where there are weights. */
function groups(sources: readonly DataSource[]): DataSource[][] {
  return sources.some(({weight}) => weight !== undefined)
    ? sources.map((source) => [source])
    : [[...sources]];
}

/** All blocks of some sources; their token files join those to be closed. */
async function openPool(
  sources: readonly DataSource[],
  files: TokenFile[],
  {seqLen, isolateDocuments = false, ...options}: DataOptions,
): Promise<Pool> {
  const own: TokenFile[] = [];
  for (const {name, files: paths, synthetic} of sources) {
    const file = await cachedTokens(name, synthetic ?? paths, options);
    files.push(file);
    own.push(file);
    if (synthetic) noteCut(name, file, seqLen, options.onNote);
  }
  const blocks = new Blocks(own, {length: seqLen, isolateDocuments});
  if (blocks.count === 0) {
    const names = sources.map(({name}) => name).join(', ');
    throw new UsageError(
      `${names}: the data has ${blocks.tokens} tokens, fewer than one sequence of ${seqLen}; give more data or a smaller seq-len.`,
    );
  }
  return {blocks, numbers: allNumbers(blocks.count), weight: sources[0]!.weight ?? 1};
}

/** Tells where sequences end within the questions of a synthetic task, which are all equally long. */
function noteCut(
  name: string,
  {tokens, documents}: TokenFile,
  seqLen: number,
  onNote?: (line: string) => void,
) {
  const length = tokens / documents;
  if (seqLen % length === 0) return;
  const whole = Math.max(1, Math.floor(seqLen / length)) * length;
  onNote?.(
    `${name}: sequences of ${seqLen} tokens cut questions of ${length} in two; --seq-len ${whole} cuts none.`,
  );
}

const allNumbers = (count: number): Uint32Array => Uint32Array.from({length: count}, (_, i) => i);

/** Takes a share of a pool's blocks out of training: which ones, the seed says. */
function splitPool(pool: Pool, held: HeldOut | undefined, seed: number): {training: Pool; heldOut: Pool} {
  const count = pool.numbers.length;
  let aside = 0;
  if (held && 'share' in held) {
    const {share, atMost = Infinity} = held;
    aside = Math.min(atMost, Math.floor(count * share));
    // Where no most is given, the share was asked for.
    if (atMost === Infinity) aside = Math.max(1, aside);
    if (aside === count) {
      throw new UsageError(
        `holding out ${share} of ${count} sequences leaves none to train on; give more data.`,
      );
    }
  }
  const order = shuffled(pool.numbers, seed, HELD_OUT_SEED);
  return {
    training: {...pool, numbers: order.subarray(aside).sort()},
    heldOut: {...pool, numbers: order.subarray(0, aside)},
  };
}

/** The first blocks of pools, taken in turn. */
async function firstBlocks(pools: readonly Pool[], atMost: number): Promise<Batch> {
  const longest = Math.max(0, ...pools.map(({numbers}) => numbers.length));
  const turns: [Pool, number][] = [];
  for (let i = 0; i < longest && turns.length < atMost; i++) {
    turns.push(
      ...pools.flatMap((pool): [Pool, number][] =>
        i < pool.numbers.length ? [[pool, pool.numbers[i]!]] : [],
      ),
    );
  }
  const read: Block[] = [];
  for (const [{blocks}, number] of turns.slice(0, atMost)) read.push(await blocks.read(number));
  return batchOf(read);
}

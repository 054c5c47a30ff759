import {mkdir, open, rm, type FileHandle} from 'node:fs/promises';
import {dirname} from 'node:path';
import {z} from 'zod';
import {asFileError, exists, jsonSha256, openRegular} from '../../files/index.js';
import type {Model, ScoreRow} from '../../model/index.js';
import type {ExitScorer} from '../../score/index.js';
import type {ThresholdOptions} from './scoring-options.js';
import {fitsRows, scoresOfLine, textOfScores, type BatchScores} from './work-line.js';

/** Whose scores they are, in the file's first line. */
const headSchema = z.object({version: z.literal(2), fingerprint: z.string()});

/**
 * What an evaluation has scored so far: a file of JSON lines, a header and one for each batch, as it comes. An
 * evaluation that was interrupted in whatever way goes on from it with the same results to the bit, for the batches
 * are the same. A line that is cut short or damaged is scored again.
 */
export class WorkFile {
  private handle: FileHandle | null = null;

  private constructor(
    private readonly path: string,
    private readonly fingerprint: string,
    /** Scores of before that were not asked for yet, by their batch's key. */
    private readonly known: Map<string, BatchScores>,
    /** Whether the file is of another evaluation, and goes once this one has something to keep. */
    readonly other: boolean,
    /** Lines that are not as they were written: their batches are scored again. */
    readonly damaged: number,
  ) {}

  /**
   * Opens the work of an evaluation, whose file need not be there; nothing is written yet.
   * @param weights - the sha256 of each of the model's weight files
   * @throws FileError if it cannot be read
   */
  static async open(
    path: string,
    {config: {arch, arrangement, ztt}, engine: {name, device, version, threads}}: Described,
    weights: Record<string, string>,
    options: ThresholdOptions,
  ): Promise<WorkFile> {
    const engine = {name, device, version, threads};
    const fingerprint = jsonSha256({weights, arch, arrangement, ztt, engine, ...deciding(options)});
    const {known, other, damaged} = await read(path, fingerprint);
    return new WorkFile(path, fingerprint, known, other, damaged);
  }

  /** Batches of before that were not asked for yet. */
  get batches(): number {
    return this.known.size;
  }

  /** A model whose scores are kept, and those of before not computed again. */
  keeping(model: ExitScorer): ExitScorer {
    return {
      config: model.config,
      score: async (rows, options) => {
        const run = async () => [{slot: null, scores: await model.score(rows, options)}];
        const [whole] = await this.once({rows, options}, rows, run);
        return whole!.scores;
      },
      scoreExits: (rows, options) =>
        this.once({rows, options, exits: true}, rows, () => model.scoreExits(rows, options)),
    };
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = null;
  }

  /** Removes the file: its evaluation is whole. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, {force: true});
  }

  private async once(
    what: object,
    rows: readonly ScoreRow[],
    run: () => Promise<BatchScores>,
  ): Promise<BatchScores> {
    const key = jsonSha256(what);
    const before = this.known.get(key);
    this.known.delete(key);
    if (before && fitsRows(before, rows)) return before;
    const scores = await run();
    try {
      this.handle ??= await this.begin();
      await this.handle.appendFile(textOfScores(key, scores));
    } catch (error) {
      throw asFileError(error, this.path);
    }
    return scores;
  }

  /** Opens the file to add to it. */
  private async begin(): Promise<FileHandle> {
    await mkdir(dirname(this.path), {recursive: true});
    if (this.other) await rm(this.path, {force: true});
    const handle = await open(this.path, 'a');
    // A header for each time: where the last line was cut short, the first line break ends it.
    await handle.appendFile(`\n${JSON.stringify({version: 2, fingerprint: this.fingerprint})}\n`);
    return handle;
  }
}

/**
 * The options that decide scores. Each line's key has the rows and the threshold; so budgets are not among them, and a
 * second try after one that cannot be reached has its calibration already.
 */
const deciding = (options: ThresholdOptions) => ({
  tasks: options.tasks,
  thresholds: options.thresholds,
  slotThresholds: options.slotThresholds,
  limit: options.limit,
  calibrationLimit: options.calibrationLimit,
  batchTokens: options.batchTokens,
  exitFromCycle: options.exitFromCycle,
  exitScore: options.exitScore,
  exitGranularity: options.exitGranularity,
  maxCycles: options.maxCycles,
});

type Described = Pick<Model, 'config' | 'engine'>;

/** What a file holds: its batches, whether it is of another evaluation, and how many of its lines are damaged. */
async function read(
  path: string,
  fingerprint: string,
): Promise<{known: Map<string, BatchScores>; other: boolean; damaged: number}> {
  const known = new Map<string, BatchScores>();
  if (!(await exists(path))) return {known, other: false, damaged: 0};
  const file = await openRegular(path);
  let own = false;
  let damaged = 0;
  try {
    for await (const line of linesOf(file)) {
      if (line === '') continue;
      const value = line === null ? null : jsonOf(line);
      const isHead = headSchema.safeParse(value).data?.fingerprint === fingerprint;
      if (!own && !isHead) return {known, other: true, damaged: 0};
      own = true;
      if (isHead) continue;
      const batch = scoresOfLine(value);
      if (batch) known.set(batch.key, batch.exits);
      else damaged++;
    }
  } finally {
    await file.close();
  }
  return {known, other: false, damaged};
}

/** No batch's line comes near this. */
const MAX_LINE_BYTES = 256 << 20;

/** A file's lines; null in the place of one that is longer than any is. */
async function* linesOf(file: FileHandle): AsyncGenerator<string | null> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const line = () => {
    const text = length > MAX_LINE_BYTES ? null : Buffer.concat(parts).toString('utf8');
    [parts, length] = [[], 0];
    return text;
  };
  for await (const chunk of file.createReadStream({autoClose: false}) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      keep(chunk.subarray(start, end));
      yield line();
      start = end + 1;
    }
    keep(chunk.subarray(start));
  }
  yield line();

  function keep(part: Uint8Array): void {
    length += part.length;
    if (length > MAX_LINE_BYTES) parts = [];
    else if (part.length > 0) parts.push(part);
  }
}

/** A line's value; null for one that is no JSON. */
function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

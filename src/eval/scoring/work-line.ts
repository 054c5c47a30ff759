import {z} from 'zod';
import {jsonSha256} from '../../files/index.js';
import type {ExitScores, RowScore, ScoreRow} from '../../model/index.js';

/** What a batch of rows scored at each exit that was asked for. */
export type BatchScores = ExitScores[];

/** Numbers as the base64 of their bytes: bit for bit, and NaN and infinities too, which JSON has not. */
const numbers = <Values>(bytesEach: number, of: (bytes: ArrayBuffer) => Values) =>
  z.base64().transform((text, context) => {
    const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
    if (bytes.length % bytesEach === 0) return of(bytes.buffer);
    context.addIssue('cut short');
    return z.NEVER;
  });

const doubles = numbers(8, (bytes) => new Float64Array(bytes));

const rowSchema = z.object({
  logProbabilities: numbers(4, (bytes) => new Float32Array(bytes)),
  greedy: z.array(z.boolean()),
  slots: z.number(),
  slotsPerToken: numbers(4, (bytes) => new Int32Array(bytes)),
  exited: z.boolean(),
  exitScores: doubles.transform((values) => [...values]),
  tokenScores: z.array(doubles),
  zeroAttention: doubles.transform((values) => [...values]),
  flops: z.number(),
});

const lineSchema = z.object({
  key: z.string(),
  /** Of the line without it, by which damage is seen. */
  sha256: z.string(),
  exits: z.array(z.object({slot: z.number().nullable(), scores: z.array(rowSchema)})).min(1),
});

/** A batch of a work file; null for what is none. */
export function scoresOfLine(value: unknown): {key: string; exits: BatchScores} | null {
  const {success, data} = lineSchema.safeParse(value);
  if (!success) return null;
  const {sha256, ...content} = value as {sha256: string};
  return sha256 === jsonSha256(content) ? {key: data.key, exits: data.exits} : null;
}

/** Whether scores are those of a batch: of each row, and of each of its tokens that is scored or read. */
export const fitsRows = (exits: BatchScores, rows: readonly ScoreRow[]): boolean =>
  exits.every(
    ({scores}) => scores.length === rows.length && scores.every((row, i) => fitsRow(row, rows[i]!)),
  );

function fitsRow(score: RowScore, {ids, from}: ScoreRow): boolean {
  const scored = ids.length - from;
  return (
    score.logProbabilities.length === scored &&
    score.greedy.length === scored &&
    score.slotsPerToken.length === ids.length - 1 &&
    score.slots >= 0 &&
    score.flops >= 0
  );
}

/** A batch as a line of a work file. */
export function textOfScores(key: string, exits: BatchScores): string {
  const line = {
    key,
    exits: exits.map(({slot, scores}) => ({
      slot,
      scores: scores.map((row) => ({
        ...row,
        logProbabilities: base64(row.logProbabilities),
        slotsPerToken: base64(row.slotsPerToken),
        exitScores: base64(Float64Array.from(row.exitScores)),
        tokenScores: row.tokenScores.map(base64),
        zeroAttention: base64(Float64Array.from(row.zeroAttention)),
      })),
    })),
  };
  return `${JSON.stringify({...line, sha256: jsonSha256(line)})}\n`;
}

const base64 = ({buffer, byteOffset, byteLength}: ArrayBufferView): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

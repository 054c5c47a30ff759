import {z} from 'zod';

const count = z.number().int().nonnegative();

/** What a model's exits were fitted on, and what came of it: kept in its config.json as `ztt.exit_fit`. */
export const exitFitSchema = z.object({
  /** Rows of text, and tokens of each. */
  rows: count,
  seq_len: count,
  /** Of the tokens and of what decides which rows are drawn. */
  data_sha256: z.string(),
  exits: z.array(
    z.object({
      /** The slot before which the exit is. */
      slot: count,
      /** What it costs a row, in nats a token. */
      cost: z.object({mean: z.number(), standard_deviation: z.number()}),
      /** The price below which an exit is wanted, in nats a token. */
      price: z.number(),
      /** The share of the rows that should exit. */
      wanted: z.number(),
      /** The mean zero attention of rows that should exit, and of the others. */
      zero_attention: z.object({wanted: z.number(), others: z.number()}),
    }),
  ),
});

export type ExitFit = z.output<typeof exitFitSchema>;

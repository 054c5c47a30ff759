import {basename, join} from 'node:path';
import {z} from 'zod';
import {exists, parseWith, parseYaml, readJson, readText} from '../files/index.js';
import {splitWeight} from '../data/index.js';
import {readMetrics} from '../finetune/index.js';

/** The file that keeps what a fine-tuning run was beside its model, so that it goes where the model goes. */
export const RUN = 'ztt_run.json';

const count = z.number().int().nonnegative();
const text = z.string().max(1000);

const recordSchema = z.object({
  version: z.literal(1, 'this version of ztt reads run records of version 1'),
  /** The training data: datasets of the Hub, and the names of files. */
  datasets: z.array(text).max(1000),
  files: z.array(text).max(1000),
  steps: count,
  batch_size: z.union([count, text]),
  accumulate: count,
  seq_len: count,
  train: text,
  lr: z.number(),
  lr_schedule: text,
  seed: count,
  /** Training FLOPs; null where no metrics were kept. */
  flops: z.number().nullable(),
  /** The last step's loss, in nats a token. */
  loss: z.number().nullable(),
  /** The held-out loss at full depth, in nats a token, before the run and at its last evaluation. */
  held_out: z.object({before: z.number().nullable(), after: z.number()}).nullable(),
});

/** A fine-tuning run, as a card has it: no paths and no machine. */
export type RunRecord = z.output<typeof recordSchema>;

const configSchema = z.looseObject({
  data: z.array(z.string()).min(1),
  'batch-size': z.union([z.number(), z.string()]),
  accumulate: z.number(),
  'seq-len': z.number(),
  train: z.string(),
  lr: z.number(),
  'lr-schedule': z.string(),
  seed: z.number(),
  steps: z.number(),
});

/**
 * Reads how a model was fine-tuned: from its run folder, else from the record beside it.
 * @returns null if there is neither
 * @throws FileError, FormatError
 */
export async function runOf(folder: string): Promise<RunRecord | null> {
  if (await exists(join(folder, 'config.yaml'))) return fromRunFolder(folder);
  const path = join(folder, RUN);
  return (await exists(path)) ? readJson(path, recordSchema) : null;
}

async function fromRunFolder(folder: string): Promise<RunRecord> {
  const path = join(folder, 'config.yaml');
  const config = parseWith(configSchema, parseYaml(await readText(path), path), path);
  const lines = (await exists(join(folder, 'metrics.jsonl'))) ? await readMetrics(folder) : [];
  const trained = lines.filter(({loss}) => loss !== undefined).at(-1);
  const evaluated = lines.filter(({held_out: heldOut}) => heldOut);
  const sources = config.data.map((spec) => splitWeight(spec).name);
  const datasets: string[] = [];
  const files: string[] = [];
  for (const spec of sources) {
    if (isDataset(spec) && !(await exists(spec))) datasets.push(spec.split(/[:@]/)[0]!);
    else files.push(basename(spec));
  }
  return {
    version: 1,
    datasets: [...new Set(datasets)],
    files: [...new Set(files)],
    steps: trained?.step ?? config.steps,
    batch_size: config['batch-size'],
    accumulate: config.accumulate,
    seq_len: config['seq-len'],
    train: config.train,
    lr: config.lr,
    lr_schedule: config['lr-schedule'],
    seed: config.seed,
    flops: trained?.flops ?? null,
    loss: trained?.loss ?? null,
    held_out:
      evaluated.length === 0
        ? null
        : {
            before: evaluated[0]!.step === 0 ? evaluated[0]!.held_out!.loss : null,
            after: evaluated.at(-1)!.held_out!.loss,
          },
  };
}

/** Tells if a data source has the form of a Hub repo. A name with a file's ending is a file. */
const isDataset = (spec: string): boolean =>
  /^[\w-][\w.-]*\/[\w.-]+(@[\w./-]+)?(:[\w.-]+){0,2}$/.test(spec) &&
  !/\.(txt|jsonl|parquet|gz|json)(:[\w.-]+)?$/i.test(spec);

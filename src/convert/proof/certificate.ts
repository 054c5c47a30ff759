import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {z} from 'zod';
import {reuseChunk, type Checkpoint} from '../../checkpoint/index.js';
import {exists, readJson} from '../../files/index.js';
import {FormatError} from '../../errors.js';
import type {ZttConfig} from '../../model/index.js';
import type {Conversion} from '../plan/prepare.js';

/** The file's name in a converted model's folder. */
export const CERTIFICATE = 'ztt_certificate.json';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a sha256 in hex');
const tensor = {
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  /** Of its bytes. */
  sha256,
};

const logitsSchema = z.strictObject({
  engine: z.string(),
  probe: z.enum(['text', 'random ids']),
  tokens: z.number().int().positive(),
  /** The largest difference of a logit to the source's with one cycle and without zero tokens. */
  plain_max_abs_difference: z.number().nonnegative(),
  /** With the model's cycles and zero tokens: mean KL(source || converted) a token, in nats. */
  mean_kl: z.number(),
  /** Mean next-token cross-entropy on the probe, in nats. */
  source_loss: z.number(),
  converted_loss: z.number(),
});

/** How a converted model's predictions compare with its source's. */
export type LogitsComparison = z.output<typeof logitsSchema>;

const certificateSchema = z.strictObject({
  version: z.literal(1, 'this version of ztt reads certificate version 1'),
  /** `bytes`: every tensor was read back from the disk and has the sha256 that it must have. */
  verified: z.enum(['bytes', 'logits']),
  source: z.strictObject({
    name: z.string(),
    revision: z.string().nullable(),
    /** sha256 of each weight file. */
    files: z.record(z.string(), sha256),
  }),
  /** Every tensor of the source, with what became of it. */
  source_tensors: z.array(
    z.strictObject({
      ...tensor,
      how: z.enum(['copied', 'cast', 'averaged', 'dropped']),
      to: z.string().nullable(),
      why: z.string().nullable(),
    }),
  ),
  /** Every tensor of the model, with where it came from. */
  tensors: z.array(
    z.strictObject({
      ...tensor,
      how: z.enum(['copied', 'cast', 'averaged', 'made']),
      from: z.array(z.string()),
      /** The executed layers, from 0, that run with it; null outside the blocks. */
      slots: z.array(z.number().int().nonnegative()).nullable(),
    }),
  ),
  /** Null unless the predictions were compared. */
  logits: logitsSchema.nullable(),
});

/** What a conversion proved of itself, as it lies beside the model. */
export type Certificate = z.output<typeof certificateSchema>;

/**
 * What a conversion proved.
 * @param digests - the sha256 of every tensor of the output as it was read back
 * @throws FormatError as `SourceReader.digest`
 */
export async function certify(
  {reader, ledger}: Conversion,
  source: ZttConfig['source'],
  digests: ReadonlyMap<string, string>,
  logits: LogitsComparison | null,
): Promise<Certificate> {
  const sources = ledger.source.map(async ({name, dtype, shape, how, to, why}) => {
    return {name, dtype, shape: [...shape], sha256: await reader.digest(name), how, to, why};
  });
  return {
    version: 1,
    verified: logits ? 'logits' : 'bytes',
    source: {name: source.name, revision: source.revision, files: source.sha256},
    source_tensors: await Promise.all(sources),
    tensors: ledger.target.map(({name, dtype, shape, how, from, slots}) => {
      return {name, dtype, shape: [...shape], sha256: digests.get(name)!, how, from, slots};
    }),
    logits,
  };
}

/** A certificate's file: JSON, a tensor a line. */
export function certificateText(certificate: Certificate): string {
  const list = (values: readonly unknown[]) =>
    `[\n${values.map((each) => `  ${JSON.stringify(each)}`).join(',\n')}\n ]`;
  const entries = Object.entries(certificate).map(
    ([key, value]) =>
      ` ${JSON.stringify(key)}: ${Array.isArray(value) ? list(value) : JSON.stringify(value)}`,
  );
  return `{\n${entries.join(',\n')}\n}\n`;
}

/**
 * Reads a converted model's certificate, and checks that it is of these tensors as far as their headers tell.
 * @returns null if there is none
 * @throws FormatError if it is broken, or of another model
 */
export async function readCertificate(checkpoint: Checkpoint): Promise<Certificate | null> {
  const path = join(checkpoint.folder, CERTIFICATE);
  if (!(await exists(path))) return null;
  const certificate = await readJson(path, certificateSchema);
  const certified = new Map(
    certificate.tensors.map(({name, dtype, shape}) => [name, `${dtype} ${shape.join()}`]),
  );
  const stored = [...checkpoint.tensors.values()];
  const other = stored.find(({name, dtype, shape}) => certified.get(name) !== `${dtype} ${shape.join()}`);
  if (other || certified.size !== stored.length) {
    const what = other ? `tensor ${other.name}` : 'a tensor that is not there';
    throw new FormatError(`${path} is the certificate of other weights (${what}); remove it.`);
  }
  return certificate;
}

/** The sha256 of a stream's bytes, in hex. Its chunks are used up. */
export async function digestOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    reuseChunk(chunk);
  }
  return hash.digest('hex');
}

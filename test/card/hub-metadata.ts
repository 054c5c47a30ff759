import {expect} from 'vitest';
import {z} from 'zod';

// The rules of the Hub's documentation (hub-docs: modelcard.md, model-cards.md, repositories-licenses.md,
// model-release-checklist; huggingface_hub's repocard_data.py reads the model index by them).

const text = z.string().min(1);
const repo = z.string().regex(/^[\w.-]+\/[\w.-]+$/);

const LICENSES = [
  'apache-2.0',
  'mit',
  'cc-by-4.0',
  'cc-by-sa-4.0',
  'openrail',
  'gpl-3.0',
  'other',
  'unknown',
];

const modelIndex = z.array(
  z.strictObject({
    name: text,
    results: z
      .array(
        z.strictObject({
          task: z.strictObject({type: text, name: text.optional()}),
          dataset: z.strictObject({
            type: text,
            name: text,
            config: text.optional(),
            split: text.optional(),
            revision: text.optional(),
          }),
          metrics: z.array(z.strictObject({type: text, value: z.number(), name: text.optional()})).min(1),
        }),
      )
      .min(1),
  }),
);

const metadataSchema = z
  .looseObject({
    base_model: repo.optional(),
    base_model_relation: z.enum(['finetune', 'adapter', 'merge', 'quantized']).optional(),
    library_name: z.literal('transformers'),
    pipeline_tag: z.literal('text-generation').optional(),
    license: z.enum(LICENSES).optional(),
    license_name: text.optional(),
    license_link: z.union([z.url(), z.enum(['LICENSE', 'LICENSE.md'])]).optional(),
    // ISO 639-1, -2 or -3, perhaps with a region.
    language: z.array(z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]+)*$|^multilingual$|^code$/)).optional(),
    datasets: z.array(repo).optional(),
    tags: z.array(text).optional(),
    'model-index': modelIndex.optional(),
  })
  .refine(
    ({base_model: base, base_model_relation: relation}) => !relation || base,
    'a relation needs a base model',
  )
  .refine(({license, license_name: name}) => !name || license === 'other', 'a name is for other licenses');

/** Expects a card's metadata to be what the Hub accepts. */
export function expectHubMetadata(metadata: unknown): void {
  const {success, error} = metadataSchema.safeParse(metadata);
  expect(success, error?.message).toBe(true);
}

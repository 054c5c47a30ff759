import {z} from 'zod';

/** Whether a middle layer's cycles have matrices of their own, or the same. */
export const LORA_PER = ['shared', 'cycle'] as const;
export type LoraPer = (typeof LORA_PER)[number];

/** Far beyond use; a matrix of it is no low-rank one. */
export const MAX_LORA_RANK = 4096;

/** `ztt.lora` in config.json. */
export const loraSchema = z.object({
  rank: z.number().int().min(1).max(MAX_LORA_RANK),
  alpha: z.number().positive(),
  per: z.enum(LORA_PER),
  /** The linear maps of a block that have matrices, by the family's names. */
  targets: z.array(z.string()).min(1),
});

export type LoraConfig = z.output<typeof loraSchema>;

/** What the product of the matrices is multiplied by. */
export const loraScale = ({alpha, rank}: LoraConfig): number => alpha / rank;

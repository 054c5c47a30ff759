import {z} from 'zod';
import {LORA_PER, MAX_LORA_RANK} from './lora-bounds.js';

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

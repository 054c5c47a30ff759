/** Whether a middle layer's cycles have matrices of their own, or the same. */
export const LORA_PER = ['shared', 'cycle'] as const;
export type LoraPer = (typeof LORA_PER)[number];

/** Far beyond use; a matrix of it is no low-rank one. */
export const MAX_LORA_RANK = 4096;

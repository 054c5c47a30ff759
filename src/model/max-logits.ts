/** Logits computed at a time, at most: bounds memory whatever the vocabulary. */
export const MAX_LOGITS = 1 << 24;

/** Rows whose logits [rows, V] are computed at a time. */
export const rowsAtATime = (vocabulary: number): number => Math.max(1, Math.floor(MAX_LOGITS / vocabulary));

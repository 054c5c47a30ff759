/** Logits computed at a time, at most: bounds memory whatever the vocabulary. */
export const MAX_LOGITS = 1 << 24;

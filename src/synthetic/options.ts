/** How the tokenizer of the synthetic tasks is named, where a tokenizer is asked for. */
export const LETTER_TOKENIZER = 'synthetic:letters';

/** Text to token ids and back, through @huggingface/tokenizers. */
export {BYTE_CHARACTERS} from './alphabet.js';
export {tokenizerJson} from './to-json.js';
export {Tokenizer, type Vocabulary} from './tokenizer.js';
export type {TokenizerSpec} from './spec.js';

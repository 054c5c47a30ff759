/** Text to token ids and back, through @huggingface/tokenizers. */
export {Tokenizer} from './tokenizer.js';

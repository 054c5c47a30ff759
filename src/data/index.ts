/** Text files to batches of token ids. */
export {BlockBatches, streamSha256, tokenStream, type TokenOptions} from './blocks.js';
export {readDocuments} from './documents.js';

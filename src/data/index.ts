/** Text, JSON Lines, parquet and datasets to batches of token blocks, through a token cache on disk. */
export type {Batch} from './blocks.js';
export {seededBy} from './seeded.js';
export {readDocuments} from './documents.js';
export type {DataFile, Part} from './parts.js';
export type {TableRow} from './rows.js';
export {datasetInFolder, fetchDataset, splitWeight, type DatasetRepo, type OpenDataset} from './sources.js';
export {readRows} from './table.js';
export {cacheFolder, type DataProgress} from './token-cache.js';
export {openTrainingData, type DataOptions, type HeldOut, type TrainingData} from './training-data.js';

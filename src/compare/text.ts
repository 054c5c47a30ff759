import {openTrainingData, type DataOptions, type TrainingData} from '../data/index.js';
import {openDataset} from '../hub/index.js';
import {separatorOf, type Architecture} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import type {ComparisonSettings} from './settings.js';
import type {TrainSettings} from './variants.js';

export interface TextOptions extends Pick<DataOptions, 'batchSize' | 'onRead' | 'onNote' | 'signal'> {
  /** Where the tokenizer lies. */
  folder: string;
  arch: Architecture;
  data: ComparisonSettings['data'];
  /** The run that trains on it. */
  training: TrainSettings;
}

/** The text of a run, as `finetune` shares it out over what is trained on and what is held out. */
export async function openText({
  folder,
  arch,
  data,
  training,
  ...options
}: TextOptions): Promise<TrainingData> {
  const {
    heldOut,
    heldOutData,
    isolateDocuments,
    seqLen = Math.min(256, arch.maxPositions),
    seed = 0,
  } = training;
  const tokenizer = await Tokenizer.load(folder);
  const separator = separatorOf(arch, tokenizer);
  for (const line of [...tokenizer.notes, ...separator.notes]) options.onNote?.(line);
  return openTrainingData({
    ...options,
    sources: data,
    heldOut: heldOutData ? {sources: heldOutData} : {share: heldOut!},
    openDataset: (repo) => openDataset(repo, {onNote: options.onNote, signal: options.signal}),
    isolateDocuments,
    tokenizer,
    vocabulary: arch.vocabulary,
    separator: separator.id,
    seqLen,
    seed,
  });
}

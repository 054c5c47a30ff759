import {openTrainingData, type OpenDataset} from '../data/index.js';
import {UsageError} from '../errors.js';
import {load, separatorOf, storeExitFit, type ExitFit, type LoadOptions} from '../model/index.js';
import {checkOptions} from '../options/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import {exitFitOf, fitExits, type FitExitsOptions} from './fit-exits.js';
import {FIT_OPTIONS, FIT_ROWS, FIT_SEQ_LEN} from './options.js';
import {storeKeys} from './store-keys.js';

/** How the exits of a model in a folder are fitted. */
export interface FitModelOptions
  extends
    Pick<LoadOptions, 'engine' | 'device' | 'threads'>,
    Pick<FitExitsOptions, 'price' | 'onProgress' | 'signal'> {
  /** The model's folder, which is changed. */
  model: string;
  /** The text to learn from, as `finetune` takes it; of all the kinds that the model shall meet. */
  data: readonly string[];
  /** Rows of text to learn from; 384 unless given. */
  rows?: number;
  /** Tokens a row; 256 unless given, or as many as the model takes. */
  seqLen?: number;
  /** Decides which rows are drawn; 0 unless given. */
  seed?: number;
  /** Opens datasets of the Hub; without it there are none. */
  openDataset?: OpenDataset;
  /** Called with a line a user should know. */
  onNote?: (line: string) => void;
  /** Called with a line that no user may miss: what was taken where files contradict each other. */
  onWarning?: (line: string) => void;
}

/**
 * Fits the zero keys of a model's exits on text (see `fitExits`), and stores them in the model's folder, with a record in
 * its config.json of what they were fitted on.
 * @throws UsageError, FileError or FormatError for options, data or a model that cannot be used; InterruptedError
 */
export async function fitModelExits(options: FitModelOptions): Promise<ExitFit> {
  checkOptions(FIT_OPTIONS, {...options, fitExits: true});
  const {engine, device, threads, price, onProgress, signal} = options;
  const {rows = FIT_ROWS, seed = 0} = options;
  const model = await load(options.model, {engine, device, threads});
  try {
    options.onNote?.(model.engine.why);
    const {arch} = model.config;
    const seqLen = options.seqLen ?? Math.min(FIT_SEQ_LEN, arch.maxPositions);
    if (seqLen > arch.maxPositions) {
      throw new UsageError(`seq-len is ${seqLen}; the model takes at most ${arch.maxPositions} tokens.`);
    }
    const tokenizer = await Tokenizer.load(options.model);
    const separator = separatorOf(arch, tokenizer);
    for (const line of [...model.config.notes, ...tokenizer.notes, ...separator.notes])
      options.onWarning?.(line);
    const data = await openTrainingData({
      sources: options.data,
      openDataset: options.openDataset,
      tokenizer,
      vocabulary: arch.vocabulary,
      separator: separator.id,
      seqLen,
      batchSize: 1,
      seed,
      signal,
    });
    try {
      const count = Math.min(rows, Math.floor(data.tokens / seqLen));
      if (count < rows) options.onNote?.(`the data has ${count} rows of ${seqLen} tokens, not ${rows}.`);
      const taken: (readonly number[])[] = [];
      for (let i = 0; i < count; i++) taken.push((await data.batch(i)).ids[0]!);
      const exits = await fitExits(model, {rows: taken, price, onProgress, signal});
      await storeKeys(options.model, exits);
      const fit = exitFitOf(exits, {rows: count, seqLen, dataSha256: data.sha256});
      await storeExitFit(options.model, fit);
      return fit;
    } finally {
      await data.close();
    }
  } finally {
    model.dispose();
  }
}

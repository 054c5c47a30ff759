import {join} from 'node:path';
import {exists, readText} from '../files/index.js';
import {describeModel, type ModelDescription} from '../convert/index.js';
import {readModelConfig, type ZttConfig} from '../model/index.js';
import {resultsOf, type ResultsRecord} from './results-record.js';
import {runOf, type RunRecord} from './run-record.js';

/** The facts of which a card is made. */
export interface CardFacts {
  /** `user/name`. */
  repo: string;
  model: ModelDescription;
  ztt: ZttConfig;
  run: RunRecord | null;
  results: ResultsRecord | null;
  /** True if config.json names Python code beside it, with which Transformers loads the model. */
  hasCode: boolean;
}

/**
 * Gathers what a folder's files say of its model.
 * @param results - files that `ztt eval --output` wrote; none for what lies beside the model
 * @returns null if it is no ZTT model
 * @throws UsageError for results of another; FileError, FormatError
 */
export async function gatherFacts(
  folder: string,
  repo: string,
  results: readonly string[],
): Promise<CardFacts | null> {
  const {ztt} = await readModelConfig(folder);
  if (!ztt) return null;
  const model = await describeModel(folder);
  const code = join(folder, 'modeling_ztt.py');
  return {
    repo,
    model,
    ztt,
    run: await runOf(folder),
    results: await resultsOf(folder, model, results),
    hasCode: (await exists(code)) && (await readText(join(folder, 'config.json'))).includes('"auto_map"'),
  };
}

/** The source's repo on the Hub; null for a local source. */
export const sourceRepo = ({ztt}: CardFacts): string | null =>
  ztt.source.revision === null ? null : ztt.source.name;

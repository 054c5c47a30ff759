import {join} from 'node:path';
import {MAX_README_BYTES, README} from '../checkpoint/index.js';
import {exists, readText} from '../files/index.js';
import {FileError, quoted, UsageError} from '../errors.js';
import {gatherFacts} from './facts.js';
import {generateMetadata} from './generate-metadata.js';
import {chooseReadme, composeReadme, parseReadme, withOwnValues} from './readme.js';
import {RESULTS} from './results-record.js';
import {accuracyPlot, PLOT} from './results-text.js';
import {RUN} from './run-record.js';
import {cardText} from './text.js';

export interface CardOptions {
  /** A ZTT model's folder. */
  folder: string;
  /** The repo that it is for: `user/name`. */
  repo: string;
  /** Results that `ztt eval --output` wrote; by default those that were kept beside the model. */
  results?: readonly string[];
  /** The base model on the Hub, where the files do not tell it; it is kept as if a person had written it. */
  baseModel?: string;
  /** The README.md that the repo has; none unless given. */
  remote?: string | null;
}

/** The files of a card, each by its name: README.md first. */
export type Card = ReadonlyMap<string, string>;

/**
 * Makes a model's card from its folder's files: README.md, whose generated part stands between markers, the plot in it,
 * and what is kept so that the next can be made without the evaluation and the run: ztt_results.json, ztt_run.json.
 * Nothing is written.
 * @returns null if the folder holds no ZTT model, of whose making its files would tell
 * @throws UsageError for results of another model; FileError where README.md has a person's words both here and in the
 *   repo, and others; FormatError for files that are broken
 */
export async function makeCard(options: CardOptions): Promise<Card | null> {
  const {folder, repo, results = [], baseModel, remote} = options;
  if (baseModel !== undefined && !/^[\w.-]+\/[\w.-]+$/.test(baseModel)) {
    throw new UsageError(`the base model ${quoted(baseModel)} is no repo of the Hub; give user/name.`);
  }
  const facts = await gatherFacts(folder, repo, results);
  if (facts === null) return null;
  const path = join(folder, README);
  const there = remote ? parseReadme(remote, `${README} of ${repo}`) : null;
  const here = (await exists(path)) ? parseReadme(await readText(path, MAX_README_BYTES), path) : null;
  const readme = chooseReadme(here, there);
  if (readme === undefined) {
    throw new FileError(
      `${path} and ${README} of ${repo} both have words of their own, and they differ; put together in ${path} what is to stay, and push with --no-card.`,
    );
  }
  const generated = {metadata: generateMetadata(facts), text: cardText(facts)};
  const base = baseModel && {base_model: baseModel, base_model_relation: 'finetune'};
  const named = base ? withOwnValues(readme, base, path) : readme;
  const plot = accuracyPlot(facts);
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  return new Map([
    [README, composeReadme(named, generated, path)],
    ...(plot ? [[PLOT, plot] as const] : []),
    ...(facts.results ? [[RESULTS, json(facts.results)] as const] : []),
    ...(facts.run ? [[RUN, json(facts.run)] as const] : []),
  ]);
}

import {parse as parseYaml} from 'yaml';
import {z} from 'zod';
import {YAML_OPTIONS} from '../files/index.js';
import {FormatError} from '../errors.js';
import {hasColumns} from './documents.js';
import {GlobMatcher} from './glob.js';

/** What is asked of a dataset repo: names of its own, of which `train` is the usual split. */
export interface DatasetChoice {
  config?: string;
  split?: string;
}

const DEFAULT_SPLIT = 'train';

/** What the splits are called in the names of files, as the Hub takes them. */
const SPLIT_WORDS: Record<string, string[]> = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'val', 'dev'],
  test: ['test', 'testing', 'eval', 'evaluation'],
};

const pathsSchema = z.union([z.string().transform((path) => [path]), z.array(z.string())]);

/** `configs` of a README's front matter: https://huggingface.co/docs/hub/datasets-manual-configuration */
const frontMatterSchema = z.object({
  configs: z.array(
    z.object({
      config_name: z.string(),
      default: z.boolean().optional(),
      data_dir: z.string().optional(),
      data_files: z
        .union([
          z.array(z.object({split: z.string(), path: pathsSchema})).min(1),
          pathsSchema.transform((path) => [{split: DEFAULT_SPLIT, path}]),
        ])
        .optional(),
    }),
  ),
});

type Config = z.output<typeof frontMatterSchema>['configs'][number];

/**
 * The files of a dataset repo that make up a config's split: as the README's front matter says, else by their names,
 * as in `data/train-00000.parquet`, `CONFIG/train-0.parquet` and `train.jsonl`.
 * @param repo - for messages
 * @param names - of all files of the repo
 * @param readme - the content of README.md, if there is one
 * @param words - a config and a split, either of which may stand alone
 * @throws FormatError listing what there is
 */
export function datasetFiles(
  repo: string,
  names: readonly string[],
  readme: string | null,
  words: readonly string[],
): string[] {
  const configs = configsOf(repo, names, readme);
  if (configs.length === 0) {
    throw new FormatError(
      `${repo} has no .parquet, .jsonl or .txt files; on the Hub, ${repo}@refs/convert/parquet may have them.`,
    );
  }
  const choice = chooseOf(configs, words);
  const config = chooseConfig(repo, configs, choice.config);
  const split = choice.split ?? DEFAULT_SPLIT;
  const files = config.splits.get(split) ?? [];
  if (files.length === 0) {
    throw new FormatError(`${repo} has no split ${split}; it has ${list([...config.splits.keys()].sort())}.`);
  }
  return [...files].sort();
}

/** A config, with the files of each of its splits. */
interface ConfigFiles {
  name: string;
  default: boolean;
  splits: Map<string, string[]>;
}

function configsOf(repo: string, names: readonly string[], readme: string | null): ConfigFiles[] {
  const where = `${repo}'s README.md`;
  const said = readme === null ? [] : frontMatter(readme, where);
  const matcher = new GlobMatcher(where);
  const data = dataFiles(names);
  const named = said.map((config) => ({
    name: config.config_name,
    default: config.default ?? config.config_name === 'default',
    splits: splitsSaid(config, names, matcher),
  }));
  return named.length > 0 ? named : configsByName(data);
}

/** One word is a config if there is one of that name, else a split. */
function chooseOf(configs: readonly ConfigFiles[], [first, second]: readonly string[]): DatasetChoice {
  const config = first === '' ? undefined : first;
  if (second !== undefined && second !== '') return {config, split: second};
  const known = configs.some(({name}) => name === config);
  return known ? {config} : {split: config};
}

function chooseConfig(repo: string, configs: readonly ConfigFiles[], name: string | undefined): ConfigFiles {
  const found =
    name === undefined
      ? configs.length === 1
        ? configs[0]
        : configs.find((config) => config.default)
      : configs.find((config) => config.name === name);
  if (found) return found;
  const names = list(configs.map((config) => config.name));
  throw new FormatError(
    name === undefined
      ? `${repo} has several configs; name one as ${repo}:CONFIG: ${names}.`
      : `${repo} has no config ${name}; it has ${names}.`,
  );
}

/** The configs of a README's front matter; none if it has none, or none that say where their files are. */
function frontMatter(readme: string, where: string): Config[] {
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(readme)?.[1];
  if (yaml === undefined) return [];
  const block = configsBlock(yaml);
  if (!isBounded(block))
    throw new FormatError(`${where}: the configs of its front matter are too long to be read.`);
  let value: unknown;
  try {
    // That keys are unique is looked at in time that grows with the square of their number.
    value = parseYaml(block, {...YAML_OPTIONS, uniqueKeys: false});
  } catch {
    return [];
  }
  const parsed = frontMatterSchema.safeParse(value);
  return parsed.success
    ? parsed.data.configs.filter(({data_files: files, data_dir: dir}) => files ?? dir)
    : [];
}

/** The lines of a front matter that say where data files are, without blanks and comments: some list thousands. */
function configsBlock(yaml: string): string {
  const lines = yaml.split(/\r?\n/).filter((line) => !/^\s*(#|$)/.test(line));
  const first = lines.findIndex((line) => /^["']?configs["']?\s*:/.test(line));
  if (first < 0) return '';
  const length = lines.slice(first + 1).findIndex((line) => /^[^\s-]/.test(line));
  return lines.slice(first, length < 0 ? undefined : first + 1 + length).join('\n');
}

/** What the YAML parser takes no more than a second or two for: it is slow on long lines and many flow collections. */
const MAX_BLOCK = 2 << 20;
const MAX_LINE = 2048;
const MAX_FLOW_MARKS = 5000;

function isBounded(block: string): boolean {
  const marks = block.length <= MAX_BLOCK ? (block.match(/[[\]{},]/g)?.length ?? 0) : Infinity;
  return marks <= MAX_FLOW_MARKS && block.split('\n').every((line) => line.length <= MAX_LINE);
}

function splitsSaid(
  {data_files: files, data_dir: dir}: Config,
  names: readonly string[],
  matcher: GlobMatcher,
): Map<string, string[]> {
  const base = dir === undefined ? '' : `${dir.replace(/^\.?\/|\/$/g, '')}/`;
  if (!files) return bySplit(dataFiles(names.filter((name) => name.startsWith(base))), base);
  return new Map(
    files.map(({split, path}) => {
      const patterns = path.map((pattern) => base + pattern.replace(/^\.\//, ''));
      return [split, [...new Set(patterns.flatMap((pattern) => matcher.filter(names, pattern)))]];
    }),
  );
}

/** The data files among names: of parquet if there is any, else of rows, else of text. */
function dataFiles(names: readonly string[]): string[] {
  const plain = names.filter((name) => !/(^|\/)[._]/.test(name));
  const kinds = [
    plain.filter((name) => /\.parquet$/i.test(name)),
    plain.filter((name) => /\.(jsonl|ndjson)(\.gz)?$/i.test(name)),
    plain.filter((name) => hasColumns(name) && !/(^|\/)(dataset_infos?|config|package)\.json$/.test(name)),
    plain.filter((name) => /\.txt(\.gz)?$/i.test(name) && !/(^|\/)(requirements|license)\.txt$/i.test(name)),
  ];
  return kinds.find((kind) => kind.length > 0) ?? [];
}

/** Configs by the folders that files lie in; those at the top, in `data` or in a split's folder have no own. */
function configsByName(files: readonly string[]): ConfigFiles[] {
  const byConfig = new Map<string, string[]>();
  for (const file of files) {
    const folder = file.includes('/') ? file.slice(0, file.indexOf('/')) : '';
    const own = folder !== '' && folder !== 'data' && splitOf(`${folder}/`) === undefined;
    const name = own ? folder : 'default';
    byConfig.set(name, [...(byConfig.get(name) ?? []), file]);
  }
  return [...byConfig].map(([name, files]) => ({
    name,
    default: name === 'default',
    splits: bySplit(files, name === 'default' ? '' : `${name}/`),
  }));
}

/** Files by the split in their names, behind a base; without one they are for training. */
function bySplit(files: readonly string[], base: string): Map<string, string[]> {
  const splits = new Map<string, string[]>();
  for (const file of files) {
    const split = splitOf(file.slice(base.length)) ?? DEFAULT_SPLIT;
    splits.set(split, [...(splits.get(split) ?? []), file]);
  }
  return splits;
}

/** The split that a path is of: a usual word in it, or a shard's own name that begins with one, as `train.clean`. */
function splitOf(path: string): string | undefined {
  const usual = (text: string) => {
    const words = text.toLowerCase().split(/[^a-z]+/);
    return Object.keys(SPLIT_WORDS).find((split) => words.some((word) => SPLIT_WORDS[split]!.includes(word)));
  };
  const shard = /(?:^|\/)(\w+\.[\w.]+)-\d{5}-of-\d{5}/.exec(path)?.[1];
  return shard !== undefined && usual(shard.split('.')[0]!) ? shard : usual(path);
}

const list = (names: readonly string[]): string => (names.length > 0 ? names.join(', ') : 'none');

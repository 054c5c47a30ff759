import {join} from 'node:path';
import {stringify} from 'yaml';
import {exists, parseYaml, readText, writeFileWhole} from '../../files/index.js';
import {keyOf} from '../../options/index.js';
import {RUN_OPTIONS} from '../options.js';
import type {FinetuneOptions, RunControls, RunSettings} from '../settings/options.js';

/** A run's effective config, which also says that a folder is a run's. */
export const RUN_CONFIG = 'config.yaml';

/** The names of the flags by those of the library, of all that config.yaml holds. */
const FLAG_NAMES = new Map([
  ['model', 'model'],
  ...Object.entries(RUN_OPTIONS).map(([name, option]) => [keyOf(name, option), name] as const),
]);

/** A run's options with all defaults filled in, by the names of the command line's flags. */
export type RunConfig = Record<string, unknown>;

/** The effective config of a run. */
export function runConfig(options: FinetuneOptions, settings: RunSettings, controls: RunControls): RunConfig {
  const {source} = options;
  // The commit, wherever the cache is: a branch may have moved when the run goes on.
  const model = source ? `${source.name}@${source.revision}` : options.model;
  const effective = {...options, model, ...settings, ...controls};
  return Object.fromEntries(
    Object.entries(effective).flatMap(([key, value]) => {
      const name = FLAG_NAMES.get(key);
      return name === undefined || value === undefined || value === null ? [] : [[name, value]];
    }),
  );
}

/**
 * Writes a run's config.yaml, which the command line takes as --config.
 * @returns a line for each value that was another in the config.yaml before
 */
export async function writeRunConfig(run: string, config: RunConfig): Promise<string[]> {
  const path = join(run, RUN_CONFIG);
  const before = (await exists(path)) ? await readRunConfig(path) : config;
  await writeFileWhole(path, stringify(config));
  const told = (value: unknown) => (value === undefined ? 'unset' : JSON.stringify(value));
  return [...new Set([...Object.keys(before), ...Object.keys(config)])]
    .filter((name) => told(before[name]) !== told(config[name]))
    .map((name) => `${name} is ${told(config[name])} now; it was ${told(before[name])}.`);
}

/** Whether a folder's config.yaml is a run's. @throws FileError or FormatError for one that cannot be read */
export async function isRunConfig(run: string): Promise<boolean> {
  const {model, data, steps, seed} = await readRunConfig(join(run, RUN_CONFIG));
  return typeof model === 'string' && Array.isArray(data) && typeof steps === 'number' && seed !== undefined;
}

async function readRunConfig(path: string): Promise<RunConfig> {
  const value = parseYaml(await readText(path), path);
  return typeof value === 'object' && value !== null ? (value as RunConfig) : {};
}

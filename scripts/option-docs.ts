/**
 * Writes the option tables of docs/ anew, between their markers: `npm run docs:options`. A test holds them current.
 *
 *     <!-- options: NAME -->
 *     <!-- end of options -->
 */
import {readdir, readFile, writeFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {format, resolveConfig} from 'prettier';
import {CARD_OPTIONS} from '../src/card/options.js';
import {AXIS_NAMES, stageOf, type Stage} from '../src/compare/axes.js';
import {COMPARE_OPTIONS} from '../src/compare/options.js';
import {CONVERT_OPTIONS, INIT_OPTIONS, MERGE_OPTIONS, REVERT_OPTIONS} from '../src/convert/options.js';
import {DATA_OPTIONS} from '../src/data/options.js';
import {THREADED_ENGINE_OPTIONS} from '../src/engine/options.js';
import {CALIBRATE_OPTIONS, EVAL_OPTIONS, TOKEN_BUDGET_OPTIONS} from '../src/eval/options.js';
import {EXPORT_OPTIONS} from '../src/export/options.js';
import {FIT_OPTIONS} from '../src/fit/options.js';
import {
  CONTROL_OPTIONS,
  DISTILLATION_OPTIONS,
  FOLDER_OPTIONS,
  LORA_OPTIONS,
  OPTIMIZER_OPTIONS,
  PLOT_OPTIONS,
  RECIPE_OPTIONS,
  RUN_OPTIONS,
  TRAINED_OPTIONS,
  TRAINING_OPTIONS,
} from '../src/finetune/options.js';
import {PULL_OPTIONS, PUSH_OPTIONS} from '../src/hub/options.js';
import {GENERATE_OPTIONS, SIZE_OPTIONS} from '../src/model/options.js';
import {defaultOf, requirement, type Option, type OptionTable} from '../src/options/index.js';
import {INSTALL_OPTIONS} from '../src/setup/options.js';

/** Every table of a library, by the name that docs and tests call it. */
export const TABLES: Readonly<Record<string, OptionTable>> = {
  calibrate: CALIBRATE_OPTIONS,
  card: CARD_OPTIONS,
  compare: COMPARE_OPTIONS,
  controls: CONTROL_OPTIONS,
  convert: CONVERT_OPTIONS,
  data: DATA_OPTIONS,
  distillation: DISTILLATION_OPTIONS,
  engine: THREADED_ENGINE_OPTIONS,
  eval: EVAL_OPTIONS,
  export: EXPORT_OPTIONS,
  fit: FIT_OPTIONS,
  finetune: RUN_OPTIONS,
  folder: FOLDER_OPTIONS,
  generate: GENERATE_OPTIONS,
  init: INIT_OPTIONS,
  install: INSTALL_OPTIONS,
  lora: LORA_OPTIONS,
  merge: MERGE_OPTIONS,
  optimizer: OPTIMIZER_OPTIONS,
  plot: PLOT_OPTIONS,
  pull: PULL_OPTIONS,
  push: PUSH_OPTIONS,
  recipe: RECIPE_OPTIONS,
  revert: REVERT_OPTIONS,
  sizes: SIZE_OPTIONS,
  'token budget': TOKEN_BUDGET_OPTIONS,
  trained: TRAINED_OPTIONS,
  training: TRAINING_OPTIONS,
};

const MARKED = /(<!-- options: ([a-z ]+) -->\n)[^]*?(<!-- end of options -->)/g;

/** A page with its option tables as they are now. @throws Error for a table that there is not */
export async function withOptionTables(page: string, path: string): Promise<string> {
  const text = page.replace(MARKED, (_, begin: string, name: string, end: string) => {
    if (name === 'axes')
      return `${begin}
${axes()}

${end}`;
    const table = TABLES[name];
    if (!table)
      throw new Error(`${path}: there is no table ${name}; there are ${Object.keys(TABLES).join(', ')}.`);
    return `${begin}
${markdown(table)}

${end}`;
  });
  return format(text, {...(await resolveConfig(path)), filepath: path});
}

/** The pages that may have tables. */
export async function pages(): Promise<string[]> {
  const folder = fileURLToPath(new URL('../docs/', import.meta.url));
  return (await readdir(folder)).filter((name) => name.endsWith('.md')).map((name) => `${folder}${name}`);
}

/** What a comparison can vary, by the command whose flags they are. */
function axes(): string {
  const commands: Record<Stage, string> = {convert: 'convert', train: 'finetune', exits: 'eval'};
  return Object.entries(commands)
    .map(([stage, command]) => {
      const names = AXIS_NAMES.filter((name) => stageOf(name) === stage);
      return `- of \`ztt ${command}\`: ${names.map((name) => `\`${name}\``).join(', ')}`;
    })
    .join('\n');
}

function markdown(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, option]) => [
    `\`--${name}\``,
    valuesOf(option),
    defaultOf(option) ?? '',
    [`${option.help}.`, option.more ?? ''].join(' ').trim(),
  ]);
  return [['option', 'takes', 'unless given', 'is'], ['-', '-', '-', '-'], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

/** What an option takes, in a cell. */
function valuesOf(option: Option): string {
  if (option.kind === 'switch') return 'nothing';
  if (option.kind === 'text') return option.list === undefined ? 'text' : 'texts';
  const one = requirement(option).replace(/^one of /, '');
  return option.list === undefined ? one : `several, each ${one}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const path of await pages()) {
    const before = await readFile(path, 'utf8');
    const after = await withOptionTables(before, path);
    if (after !== before) await writeFile(path, after);
  }
}

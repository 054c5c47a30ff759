import {readdirSync} from 'node:fs';
import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/**
 * The import direction of the house (docs/architecture.md): a library folder may import the folders named
 * beside it and nothing else of src/, and another folder only through its public face, index.ts, or options.ts, the table
 * of its options, which loads nothing else.
 */
const mayImport = {
  // Options as data: the bottom of the house, under every library that has some.
  options: [],
  files: [],
  checkpoint: ['options', 'files'],
  engine: ['options'],
  tokenizer: ['files'],
  // Every command takes a model by its name on the Hub and many run it: what that means is said once, in src/ui.
  ui: ['options', 'hub', 'model', 'tokenizer', 'checkpoint'],
  charts: [],
  synthetic: [],
  // Setting an engine up, and what a machine lacks.
  setup: ['options', 'engine', 'hub', 'data', 'files'],
  ops: ['engine'],
  model: ['options', 'ops', 'engine', 'checkpoint', 'files'],
  // What a finished model's zero keys are fitted to.
  fit: ['options', 'model', 'data', 'tokenizer', 'checkpoint', 'files'],
  data: ['options', 'tokenizer', 'checkpoint', 'files', 'synthetic'],
  hub: ['options', 'checkpoint', 'files', 'model'],
  convert: ['options', 'model', 'tokenizer', 'engine', 'checkpoint', 'files', 'synthetic'],
  export: ['options', 'model', 'tokenizer', 'checkpoint', 'files'],
  // Rows of tokens scored in batches: one measurer for whoever trains, evaluates or compares.
  score: ['model'],
  finetune: [
    'options',
    'fit',
    'score',
    'model',
    'data',
    'charts',
    'tokenizer',
    'ops',
    'engine',
    'checkpoint',
    'files',
  ],
  eval: ['options', 'score', 'charts', 'model', 'data', 'tokenizer', 'files', 'engine', 'synthetic'],
  compare: [
    'options',
    'hub',
    'convert',
    'finetune',
    'eval',
    'score',
    'charts',
    'data',
    'model',
    'tokenizer',
    'engine',
    'checkpoint',
    'files',
  ],
  // What a model is, how it was made and what it gives, in one page.
  card: ['options', 'convert', 'finetune', 'eval', 'charts', 'data', 'model', 'checkpoint', 'files'],
  commands: [
    'fit',
    'options',
    'compare',
    'hub',
    'card',
    'convert',
    'export',
    'finetune',
    'eval',
    'model',
    'tokenizer',
    'engine',
    'checkpoint',
    'files',
    'setup',
    'synthetic',
    'ui',
  ],
};

/**
 * The subfolders of a library, which import one way too: each may import those named beside it, and of the files at the
 * library's top only its table of options, for the others call the subfolders.
 */
const mayImportWithin = {
  checkpoint: {
    bytes: [],
    tensors: ['bytes'],
    safetensors: ['tensors', 'bytes'],
    torch: ['tensors', 'bytes'],
    'model-folder': ['safetensors'],
  },
  hub: {
    repo: [],
    wire: ['repo'],
    download: ['wire', 'repo'],
    upload: ['wire', 'repo'],
  },
  eval: {
    measures: [],
    kinds: ['measures'],
    tasks: ['kinds'],
    scoring: ['tasks', 'kinds', 'measures'],
    thresholds: ['scoring', 'tasks', 'kinds', 'measures'],
    results: ['thresholds', 'scoring', 'tasks', 'kinds', 'measures'],
  },
  finetune: {
    records: [],
    settings: ['records'],
    plan: ['settings'],
    step: ['settings', 'records'],
    run: ['step', 'plan', 'settings', 'records'],
  },
  convert: {
    source: [],
    'zero-tokens': [],
    'from-scratch': ['zero-tokens'],
    plan: ['source', 'zero-tokens'],
    proof: ['plan', 'source'],
  },
};

/** The folders in a folder. */
const foldersIn = (path) =>
  readdirSync(new URL(path, import.meta.url), {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name);

/** A folder that no rule names could import anything, so there may be none. */
function requireRules(path, rules) {
  for (const name of foldersIn(path)) {
    if (!Object.hasOwn(rules, name))
      throw new Error(`${path}/${name} has no import rule in eslint.config.js.`);
  }
}

requireRules('src', mayImport);
for (const [folder, wings] of Object.entries(mayImportWithin)) requireRules(`src/${folder}`, wings);

/** From a file to another folder of src/: the file lies in a folder of src/, in a folder of that, or one deeper still. */
const UP = ['../', '../../', '../../../'];

/** What the files of a folder of src/ may not import of other folders. */
function forbiddenOutside(folder, allowed) {
  const forbidden = Object.keys(mayImport).filter((name) => name !== folder && !allowed.includes(name));
  return [
    {
      group: forbidden.flatMap((name) => UP.map((up) => `${up}${name}/*`)),
      message: `src/${folder} may not import it.`,
    },
    {
      group: allowed.flatMap((name) =>
        UP.flatMap((up) => [`${up}${name}/*`, `!${up}${name}/index.js`, `!${up}${name}/options.js`]),
      ),
      message: 'Import another folder through its index.ts or options.ts.',
    },
  ];
}

/** What the files of a library's subfolder may not import of the library. */
function forbiddenWithin(folder, wing, allowed) {
  const forbidden = Object.keys(mayImportWithin[folder]).filter(
    (name) => name !== wing && !allowed.includes(name),
  );
  return [
    {
      group: ['../*.js', '!../options.js', ...forbidden.map((name) => `../${name}/*`)],
      message: `src/${folder}/${wing} may not import it.`,
    },
  ];
}

const restrict = (files, patterns) => ({
  files,
  rules: {
    'no-restricted-imports': ['error', {patterns: patterns.filter(({group}) => group.length > 0)}],
  },
});

const direction = Object.entries(mayImport).flatMap(([folder, allowed]) => {
  const outside = forbiddenOutside(folder, allowed);
  const wings = Object.entries(mayImportWithin[folder] ?? {});
  return [
    restrict([`src/${folder}/**/*.ts`], outside),
    ...wings.map(([wing, others]) =>
      restrict([`src/${folder}/${wing}/**/*.ts`], [...outside, ...forbiddenWithin(folder, wing, others)]),
    ),
  ];
});

export default tseslint.config(
  {ignores: ['dist/', 'fixtures/', 'coverage/', 'node_modules/', 'native/build*/', 'src/export/onnx_pb.ts']},
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
    },
  },
  {
    // Libraries do not print: only commands, the demo, the bench and src/ui know a terminal.
    files: ['src/**/*.ts'],
    ignores: ['src/ui/**', 'src/commands/**'],
    rules: {'no-console': 'error'},
  },
  ...direction,
  {files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked},
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {globals: {process: 'readonly', console: 'readonly', URL: 'readonly'}},
  },
  prettier,
);

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
  checkpoint: ['files'],
  engine: ['options'],
  tokenizer: ['files'],
  // Every command takes a model by its name on the Hub: what that means is said once, in src/ui.
  ui: ['options', 'hub'],
  charts: [],
  synthetic: [],
  // Setting an engine up, and what a machine lacks.
  setup: ['options', 'engine', 'hub', 'data', 'files'],
  ops: ['engine'],
  model: ['options', 'ops', 'engine', 'checkpoint', 'files'],
  data: ['options', 'tokenizer', 'checkpoint', 'files', 'synthetic'],
  hub: ['options', 'checkpoint', 'files', 'model'],
  convert: ['options', 'model', 'tokenizer', 'engine', 'checkpoint', 'files', 'synthetic'],
  export: ['options', 'model', 'tokenizer', 'checkpoint', 'files'],
  finetune: ['options', 'model', 'data', 'charts', 'tokenizer', 'ops', 'engine', 'checkpoint', 'files'],
  eval: ['options', 'charts', 'model', 'data', 'tokenizer', 'files', 'engine', 'synthetic'],
  compare: [
    'options',
    'hub',
    'convert',
    'finetune',
    'eval',
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

/** From a file to another folder of src/: the file lies in a folder of src/, in a folder of that, or one deeper still. */
const UP = ['../', '../../', '../../../'];

const direction = Object.entries(mayImport).map(([folder, allowed]) => {
  const forbidden = Object.keys(mayImport).filter((name) => name !== folder && !allowed.includes(name));
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...(forbidden.length > 0
              ? [
                  {
                    group: forbidden.flatMap((name) => UP.map((up) => `${up}${name}/*`)),
                    message: `src/${folder} may not import it.`,
                  },
                ]
              : []),
            ...(allowed.length > 0
              ? [
                  {
                    group: allowed.flatMap((name) =>
                      UP.flatMap((up) => [
                        `${up}${name}/*`,
                        `!${up}${name}/index.js`,
                        `!${up}${name}/options.js`,
                      ]),
                    ),
                    message: 'Import another folder through its index.ts or options.ts.',
                  },
                ]
              : []),
          ],
        },
      ],
    },
  };
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
    languageOptions: {globals: {process: 'readonly', console: 'readonly'}},
  },
  prettier,
);

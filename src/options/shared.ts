import type {Option} from './option.js';

/** The folder that a library writes a model into. */
export const OUTPUT = {
  kind: 'text',
  short: 'o',
  help: 'The folder to write; it must not exist, or be empty',
  placeholder: 'DIR',
  required: true,
} as const satisfies Option;

/** Whether that folder may hold a model already. */
export const FORCE = {
  kind: 'switch',
  help: 'Replace a model that lies at the output already, once the new one is whole',
} as const satisfies Option;

/** What names a model: of flags and arguments. */
export const MODEL_FORMS = 'a folder, or a repo of the Hub as user/repo or user/repo@revision';

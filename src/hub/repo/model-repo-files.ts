import {CARRIED_FILES, README} from '../../checkpoint/index.js';

export const CONFIG = 'config.json';

/** What a model repo holds beside its weights. */
const NAMES = new Set([
  CONFIG,
  ...CARRIED_FILES,
  'ztt_certificate.json',
  'ztt_results.json',
  'ztt_run.json',
  'ztt_accuracy.svg',
  README,
  'LICENSE',
  'LICENSE.md',
  'LICENSE.txt',
  'NOTICE',
]);

const CODE = /^\w[\w-]*\.py$/;
/** Narrower than the names that a push takes for secrets: `tokenization_x.py` and `zero_tokens.py` are code that a model may need. */
const SECRET_CODE = /secret|passw|credential|(api|access|auth|hf)[-_]?(key|token)|^token/i;
const CODE_EXCEPTION = /^tokeni[sz]/i;

/** Whether a file is one that a model repo holds at its top. */
export const isModelFile = (name: string, weights: ReadonlySet<string>): boolean =>
  weights.has(name) ||
  NAMES.has(name) ||
  (CODE.test(name) && (CODE_EXCEPTION.test(name) || !SECRET_CODE.test(name)));

import {Errors} from '@oclif/core';
import {didYouMean, meant} from '../options/index.js';

/** What other tools call flags, and what they are called here. */
const FLAGS_ELSEWHERE: Readonly<Record<string, string>> = {
  iters: 'steps',
  'max-steps': 'steps',
  'num-steps': 'steps',
  'learning-rate': 'lr',
  'block-size': 'seq-len',
  'max-length': 'seq-len',
  'max-seq-length': 'seq-len',
  'gradient-accumulation-steps': 'accumulate',
  'grad-accum': 'accumulate',
  'warmup-steps': 'warmup',
  'max-grad-norm': 'clip-norm',
  rank: 'lora-rank',
  'output-dir': 'output',
  out: 'output',
  'num-samples': 'limit',
  temp: 'temperature',
  'max-tokens': 'max-new-tokens',
  backend: 'engine',
};

/** What other tools call commands, and what they are called here. */
const COMMANDS_ELSEWHERE: Readonly<Record<string, string>> = {
  train: 'finetune',
  'fine-tune': 'finetune',
  sft: 'finetune',
  chat: 'generate',
  run: 'generate',
  complete: 'generate',
  evaluate: 'eval',
  test: 'eval',
  benchmark: 'eval',
  upload: 'push',
  download: 'pull',
  show: 'info',
  inspect: 'info',
};

/**
 * The question behind a refusal of flags that a command has not.
 * @param elsewhere - what the command itself knows to be called otherwise
 */
export function flagsMeant(error: unknown, elsewhere: Readonly<Record<string, string>> = {}): string {
  const {flags: given, parse} = error as {flags?: unknown; parse?: {input?: {flags?: object}}};
  const known = Object.keys(parse?.input?.flags ?? {});
  if (!(error instanceof Errors.CLIError) || !Array.isArray(given) || given.length !== 1) return '';
  const word = String(given[0])
    .replace(/^--?(no-)?/, '')
    .replace(/=.*$/s, '');
  const other = Object.hasOwn(FLAGS_ELSEWHERE, word) ? FLAGS_ELSEWHERE[word]! : word;
  const name = Object.hasOwn(elsewhere, other)
    ? elsewhere[other]!
    : known.includes(other)
      ? other
      : meant(word, known);
  return didYouMean(name === null ? null : `--${name}`);
}

/** The question behind a refusal of a command that there is not. */
export const commandMeant = (word: string, known: readonly string[]): string =>
  didYouMean(meant(word, known, COMMANDS_ELSEWHERE));

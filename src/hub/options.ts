import {FORCE, OUTPUT, type OptionTable} from '../options/index.js';

/** What a push is told. */
export const PUSH_OPTIONS = {
  private: {kind: 'switch', help: 'Create the repo private; refuse one that is public'},
  revision: {
    kind: 'text',
    help: 'The branch to push to, made from main if there is none; or refs/pr/N',
    placeholder: 'BRANCH',
  },
  'create-pr': {kind: 'switch', help: 'Propose the push in a new pull request; nothing is created'},
  message: {
    kind: 'text',
    short: 'm',
    help: "The commit's title; further lines are its description",
    placeholder: 'TEXT',
  },
  'dry-run': {kind: 'switch', help: 'Only list the files and print the card; the Hub is not reached'},
} as const satisfies OptionTable;

/** What a pull is told. */
export const PULL_OPTIONS = {output: OUTPUT, force: FORCE} as const satisfies OptionTable;

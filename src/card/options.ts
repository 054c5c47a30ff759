import type {OptionTable} from '../options/index.js';

/** What a model card needs to be told. */
export const CARD_OPTIONS = {
  results: {
    kind: 'text',
    list: 'commas',
    help: 'Results for the card, as `ztt eval --output` writes them; they are kept in ztt_results.json, so that the next card has them too',
    placeholder: 'FILE,FILE',
  },
  'base-model': {
    kind: 'text',
    help: "The base model on the Hub, where the model's source was a local folder",
    placeholder: 'USER/NAME',
  },
} as const satisfies OptionTable;

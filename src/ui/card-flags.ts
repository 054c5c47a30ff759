import {someText} from './plain-flags.js';

/** What a model card needs to be told. */
export const cardFlags = {
  results: someText({
    description:
      'Results for the card, as `ztt eval --output` writes them; they are kept in ztt_results.json, so that the next card has them too.',
    helpValue: 'FILE,FILE',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
  'base-model': someText({
    description: "The base model on the Hub, where the model's source was a local folder.",
    helpValue: 'USER/NAME',
  }),
};

/** The same as options of `makeCard`. */
export const cardOptions = (flags: {results?: string[]; 'base-model'?: string}) => ({
  results: flags.results,
  baseModel: flags['base-model'],
});

/** Options as data: what they are, how they are read and checked. Each library has a table of its own. */
export {checkOption, checkOptions, optionsIn, renamedChoices, withDefaults} from './check.js';
export {
  keyOf,
  type AxisNeeds,
  type Option,
  type OptionsOf,
  type OptionTable,
  type ParsedOf,
  type SettingsOf,
  type ValueOf,
} from './option.js';
export {parseValue, thresholdsBySlot} from './parse.js';
export {defaultOf, helpOf, placeholderOf, requirement} from './words.js';
export {FORCE, MODEL_FORMS, OUTPUT} from './shared.js';
export {didYouMean, meant} from './meant.js';

/** The terminal: the base of all commands, flags, progress, tables and wording. Nothing else writes to it. */
export {DepthText, showsColours} from './depth-text.js';
export {BaseCommand} from './base-command.js';
export {cardFlags, cardOptions} from './card-flags.js';
export {parseWithConfig, wordOf} from './config-file.js';
export {
  byteSize,
  engineFlags,
  forceFlag,
  outputFlag,
  realNumber,
  someText,
  thresholdFlag,
  thresholdsFlag,
  threadsFlag,
  wholeNumber,
  wholeNumberOrAuto,
} from './plain-flags.js';
export {flagsOf, MODEL_FORMS, modelArg, optionsOf, type FlagsOf} from './flags.js';
export * as format from './format.js';
export {layoutOf, slotsOf, type LayoutNumbers} from './layout.js';
export {optimizerFlags, optimizerOptions} from './optimizer-flags.js';
export {Progress, type ProgressOptions} from './progress.js';
export {proofFacts, type Proof} from './proof.js';
export {distillFlags, trainFlags, trainOptions} from './train-flags.js';
export {recipeFlags, recipeOptions} from './recipe-flags.js';
export {runFlags, runOptions} from './run-flags.js';
export {planFacts} from './run-plan.js';
export {comparisonTable, planTable} from './comparison.js';
export {facts, table, type Column} from './table.js';
export {dataFlags} from './data-flags.js';
export {
  dropFlag,
  exitFlags,
  exitOptions,
  granularityFlag,
  slotThresholdFlag,
  slotThresholds,
} from './exit-flags.js';
export {optionalTaskFlags, taskFlags} from './task-flags.js';

/** The terminal: the base of all commands, flags, progress, tables and wording. Nothing else writes to it. */
export {DepthText, showsColours} from './depth-text.js';
export {BaseCommand} from './base-command.js';
export {parseWithConfig, wordOf} from './config-file.js';
export {flagsOf, modelArg, optionsOf, type FlagsOf} from './flags.js';
export * as format from './format.js';
export {printable} from './printable.js';
export {layoutOf, slotsOf, type LayoutNumbers} from './layout.js';
export {Progress, type ProgressOptions} from './progress.js';
export {proofFacts, type Proof} from './proof.js';
export {planFacts} from './run-plan.js';
export {comparisonTable, planTable} from './comparison.js';
export {facts, table, type Column} from './table.js';

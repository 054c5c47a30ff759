/** Source checkpoints to layouts and back: sharing, zero keys, verification. */
export type {Certificate, LogitsComparison} from './proof/certificate.js';
export {convert, type ConvertOptions, type ConvertReport} from './convert.js';
export {describeModel, type ModelDescription} from './describe.js';
export type {Divergence} from './proof/divergence.js';
export {init, type InitOptions, type InitReport} from './init.js';
export {planConversion, type ConversionPlan} from './dry-run.js';
export type {Ledger, SourceEntry, TargetEntry} from './plan/ledger.js';
export {CAST_DTYPES} from '../checkpoint/options.js';
export {VERIFY_LEVELS, type VerifyLevel} from './options.js';
export type {Origin, PlanOptions} from './plan/options.js';
export type {ConvertPhase} from './plan/phase-progress.js';
export type {ConversionSummary} from './plan/prepare.js';
export {merge, type MergeOptions, type MergeReport} from './merge.js';
export {revert, type RevertOptions, type RevertReport} from './revert.js';
export {arrange, middleSources, type ArrangeOptions} from './plan/share.js';

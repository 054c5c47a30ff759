/** Source checkpoints to layouts and back: sharing, zero keys, verification. */
export {convert, type ConvertOptions, type ConvertReport, type LedgerEntry} from './convert.js';
export {describeModel, type ModelDescription} from './describe.js';
export type {Divergence} from './divergence.js';
export {init, type InitOptions, type InitReport} from './init.js';
export {revert, type RevertOptions, type RevertReport} from './revert.js';
export {arrange, middleSources, type ArrangeOptions} from './share.js';

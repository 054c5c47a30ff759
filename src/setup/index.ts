/** Setting an engine up on this machine, and finding out what the machine lacks. */
export type {Environment} from '../engine/index.js';
export {examine, type Examination} from './doctor.js';
export type {ExaminedMachine, Finding, Verdict} from './finding.js';
export {installTensorflow, type InstallOptions, type InstallReport} from './install.js';

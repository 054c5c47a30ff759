/** Fits zero keys of a finished model so that its zero attention says something. */
export {fitExits, type FitExitsOptions, type FittedExit} from './fit-exits.js';
export {fitKey, type KeyFitOptions, type KeyTargets} from './fit-key.js';

/** Fits zero keys of a finished model so that its zero attention says something. */
export {assignKeys} from './assign-keys.js';
export {exitFitOf, fitExits, type FitExitsOptions, type FittedExit} from './fit-exits.js';
export {fitModelExits, type FitModelOptions} from './fit-model.js';

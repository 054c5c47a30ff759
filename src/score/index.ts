/** Rows of tokens scored in batches, and what they cost: below all that measures a model. */
export {
  logLikelihood,
  scoreGroups,
  type BatchingOptions,
  type Results,
  type RowGroup,
  type Scorer,
  type ScoreOptions,
} from './batches.js';
export {addCosts, costOf, summarise, type Cost, type CostSummary} from './cost.js';
export {signalQuality, type Estimate, type SignalQuality} from './exit-quality.js';
export {outcomeAt, scoreGroupsAtExits, type AtExits, type ExitScorer} from './exits.js';
export {
  evaluateHeldOut,
  heldOutWindows,
  type HeldOutOptions,
  type HeldOutResult,
  type WindowOptions,
} from './held-out.js';
export {measureTextExits, type TextExits} from './text-exits.js';
export {
  afterHalf,
  batchTokensOf,
  natsOf,
  scoreText,
  scoreTextAtExits,
  summariseText,
  textOutcome,
  type ScoredText,
  type TextOutcome,
  type TextRow,
  type TextSummary,
} from './text.js';

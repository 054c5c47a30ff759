import type {Sample} from './results/samples.js';
import type {ThresholdOptions} from './scoring/scoring-options.js';
import type {WorkFile} from './scoring/work-file.js';

/** What an evaluation scores and what it reports; see `evaluate`. */
export interface EvalOptions extends ThresholdOptions {
  /** Resamples for the error of `perplexity`; 0 leaves every standard error out. Default 1000. */
  bootstrapIterations?: number;
  /** Questions of each task to time at each threshold, in batches and one at a time. 0 times none. */
  timedQuestions?: number;
  /** How the report names the model. Default `model`. */
  modelName?: string;
  /** Called with what came of each row of a task at a threshold. */
  onSamples?: (task: string, threshold: number, samples: Sample[]) => void;
  /** Keeps what was scored, and gives what an interrupted evaluation had; the caller closes or removes it. */
  work?: WorkFile;
}

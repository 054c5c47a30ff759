import {runSettings, type RunSettings} from '../../src/finetune/options.js';

/** A trainer's settings: a run's defaults for ten steps of batches of 2, but for what is given. */
export const trainerSettings = (given: Partial<RunSettings>): RunSettings =>
  runSettings(
    {model: '', output: '', data: ['-'], steps: 10, batchSize: 2, seqLen: 6, seed: 7, ...given},
    1024,
  );

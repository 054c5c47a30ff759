import {runSettings, type RunSettings} from '../../src/finetune/settings/options.js';
import type {Model} from '../../src/index.js';

const PLAIN = {layout: 'vanilla', cycles: 1} as const;

/**
 * A trainer's settings: a run's defaults for ten steps of batches of 2, but for what is given.
 * @param model - whose recipe is taken; a plain one unless given
 */
export const trainerSettings = (given: Partial<RunSettings>, model?: Pick<Model, 'config'>): RunSettings =>
  runSettings(
    {output: '', data: ['-'], steps: 10, batchSize: 2, seqLen: 6, seed: 7, ...given},
    {arch: {maxPositions: 1024}, arrangement: model?.config.arrangement ?? PLAIN},
  );

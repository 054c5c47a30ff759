import {computesLater} from '../../engine/index.js';
import type {Batch} from '../../data/index.js';
import type {Model} from '../../model/index.js';
import {readSteps, type StepResult, type StepValues} from './step-values.js';
import type {Trainer} from './trainer.js';

/** Steps that a GPU is given before their results are waited for: it then never waits for the host. */
const AHEAD = 8;

/** A step that is done. */
export interface PacedStep {
  step: number;
  result: StepResult;
  /** What it took; of steps that were read together, their mean. */
  seconds: number;
}

/**
 * Runs a trainer's steps, and reads what they measured: at once where an engine computes at once, and after every few
 * steps where it computes later.
 */
export class Pace {
  private readonly ahead: number;
  private readonly waiting: StepValues[] = [];
  private begun = 0;

  constructor(
    model: Pick<Model, 'engine'>,
    private readonly trainer: Trainer,
  ) {
    this.ahead = computesLater(model.engine) ? AHEAD : 1;
  }

  /**
   * Runs a step.
   * @param read - whether its result is wanted now: before weights are saved or evaluated
   * @returns the steps whose results are known now, in order, this one last; or none, and they come later
   * @throws as `Trainer.step`
   */
  async run(step: number, batch: () => Promise<Batch>, read: boolean): Promise<PacedStep[]> {
    if (this.waiting.length === 0) this.begun = performance.now();
    const {ids, lossMask} = await batch();
    if (this.ahead === 1) {
      const result = await this.trainer.step(step, ids, lossMask);
      return [{step, result, seconds: this.seconds(1)}];
    }
    this.waiting.push(this.trainer.stepAhead(step, ids, lossMask));
    if (!read && this.waiting.length < this.ahead) return [];
    const steps = this.waiting.splice(0);
    const results = await readSteps(steps);
    const seconds = this.seconds(steps.length);
    return results.map((result, i) => ({step: steps[i]!.step, result, seconds}));
  }

  private seconds(steps: number): number {
    return (performance.now() - this.begun) / 1000 / steps;
  }
}

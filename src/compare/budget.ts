import {UsageError} from '../errors.js';
import type {RunPlan} from '../finetune/index.js';
import {checkOption} from '../options/index.js';
import {BUDGET_OPTIONS} from './options.js';

/** What every model is trained for: so many steps, tokens, or FLOPs. */
export interface TrainingBudget {
  unit: 'steps' | 'tokens' | 'flops';
  amount: number;
}

/** @throws UsageError if a budget is no number from 1 */
export function checkBudget({unit, amount}: TrainingBudget): void {
  const name = unit === 'steps' ? unit : (`train-${unit}` as const);
  checkOption(name, BUDGET_OPTIONS[name], amount);
}

/**
 * The most steps of a run that stay within a budget.
 * @param plan - what a run of so many steps takes
 * @throws UsageError if not even one step does
 */
export async function stepsWithin(
  {unit, amount}: TrainingBudget,
  plan: (steps: number) => Promise<RunPlan>,
): Promise<number> {
  const costOf = async (steps: number) => {
    const {tokensPerStep, flops} = await plan(steps);
    return unit === 'steps' ? steps : unit === 'tokens' ? steps * tokensPerStep : flops;
  };
  const one = await costOf(1);
  if (one > amount) {
    throw new UsageError(
      `train ${unit} is ${amount}, but one step takes ${one}; give more, or a smaller batch-size or seq-len.`,
    );
  }
  // Cycles that a schedule leaves out make a step cheaper, so the steps are looked for.
  let low = 1;
  let high = 2;
  while ((await costOf(high)) <= amount) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await costOf(middle)) <= amount) low = middle;
    else high = middle;
  }
  return low;
}

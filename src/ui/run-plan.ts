import {bytes, count, flops} from './format.js';
import {facts} from './table.js';

/** The part of `planFinetune`'s result that people are shown. */
export interface PlanNumbers {
  parameters: {all: number; trained: number};
  batchSize: number;
  accumulate: number;
  memory: Record<'weights' | 'gradients' | 'moments' | 'activations' | 'teacher' | 'total', number>;
  availableMemory: number;
  steps: number;
  tokensPerStep: number;
  flopsPerStep: number;
  flops: number;
  disk: {checkpoint: number; checkpoints: number; model: number};
}

/** A run's plan, for people. */
export function planFacts(plan: PlanNumbers): string {
  const {parameters, memory, disk} = plan;
  return facts([
    ['parameters', `${count(parameters.trained)} trained of ${count(parameters.all)}`],
    [
      'memory',
      [
        `about ${bytes(memory.total)} on the native engine; ${bytes(plan.availableMemory)} are there`,
        `weights      ${bytes(memory.weights)}`,
        `gradients    ${bytes(memory.gradients)}`,
        `moments      ${bytes(memory.moments)}`,
        `activations  ${bytes(memory.activations)}`,
        ...(memory.teacher > 0 ? [`teacher      ${bytes(memory.teacher)}`] : []),
      ].join('\n'),
    ],
    [
      'a step',
      `${count(plan.tokensPerStep)} tokens in ${count(plan.accumulate)} x ${count(plan.batchSize)} sequences, ${flops(plan.flopsPerStep)}`,
    ],
    [
      'the run',
      `${count(plan.steps)} steps, ${count(plan.steps * plan.tokensPerStep)} tokens, ${flops(plan.flops)}`,
    ],
    [
      'disk',
      `${bytes(disk.checkpoint)} a checkpoint, ${bytes(disk.checkpoints)} at most at a time, ${bytes(disk.model)} for the model`,
    ],
  ]);
}

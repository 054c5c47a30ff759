import {rowFlops, slots, type ModelConfig} from '../../model/index.js';
import {cyclesOfStep, trainsExits} from '../settings/cycles.js';
import type {RunSettings} from '../settings/options.js';

/**
 * The FLOPs of a step that runs so many cycles: three forward passes (one forward, two backward) over the slots, every
 * position scored; three over the tail and the LM head for the loss at each exit; and one for the exit that the
 * objective looks at.
 * @param exits - whether the step trains for exits (see `trainsExits`)
 */
export function stepFlops(
  {arch, arrangement}: Pick<ModelConfig, 'arch' | 'arrangement'>,
  settings: RunSettings,
  cycles: number,
  exits = true,
): number {
  const {batchSize, accumulate, seqLen, exitLossWeight, exitObjective} = settings;
  const pass = (ran: number) =>
    rowFlops(arch, arrangement, {tokens: seqLen, slots: ran, exited: false, scored: seqLen});
  const whole = 3 * pass(slots({...arrangement, cycles}).length);
  const exitLosses = exits && exitLossWeight > 0 ? 3 * (cycles - 1) : 0;
  const looksAtExit = exits && exitObjective !== 'off' && cycles === arrangement.cycles;
  const tails = exitLosses + (looksAtExit ? 1 : 0);
  return batchSize * accumulate * (whole + tails * pass(arrangement.tail));
}

/** The FLOPs of all steps of a run, each with the cycles that the schedule gives it. */
export function runFlops(config: Pick<ModelConfig, 'arch' | 'arrangement'>, settings: RunSettings): number {
  const {cycles} = config.arrangement;
  if (settings.cycleSchedule === 'full' && settings.exitsFrom === 0) {
    return settings.steps * stepFlops(config, settings, cycles);
  }
  const byCycles = [false, true].map((exits) =>
    Array.from({length: cycles}, (_, i) => stepFlops(config, settings, i + 1, exits)),
  );
  let flops = 0;
  for (let step = 1; step <= settings.steps; step++)
    flops += byCycles[Number(trainsExits(step, settings))]![cyclesOfStep(step, cycles, settings) - 1]!;
  return flops;
}

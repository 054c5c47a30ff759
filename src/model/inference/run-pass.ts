import type {Network} from '../network.js';
import type {PassOptions, PassResult} from './pass.js';
import {SequencePass} from './sequence-pass.js';
import type {Strand} from './strands.js';
import {TokenPass} from './token-pass.js';

/** Runs strands through the slots, with the exits of the rule. */
export function runPass(
  network: Network,
  strands: readonly Strand[],
  options: PassOptions,
): Promise<PassResult> {
  const Kind = options.rule.granularity === 'token' ? TokenPass : SequencePass;
  return new Kind(network, strands, options).run();
}

import {setImmediate} from 'node:timers/promises';
import {UsageError} from '../errors.js';
import type {Model} from './model.js';

export interface GenerateOptions {
  /** Default 50. */
  maxNewTokens?: number;
  /** As `Model.logits` takes it: each new token exits by itself. */
  threshold?: number;
  /** Stops before the next token, throwing the signal's reason. */
  signal?: AbortSignal;
}

export interface GeneratedToken {
  id: number;
  /** Slots that ran for it. */
  slots: number;
}

/**
 * Continues a text greedily, one token after the other, until the model's end-of-text token, which is not given,
 * or as many tokens as asked for. Each token is computed anew from the last tokens that the model takes.
 * @throws UsageError for no ids, or as `Model.logits`
 */
export async function* generate(
  model: Pick<Model, 'config' | 'logits'>,
  ids: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken> {
  const {maxNewTokens = 50, threshold, signal} = options;
  const {maxPositions, eosTokenId} = model.config.arch;
  if (!(Number.isInteger(maxNewTokens) && maxNewTokens >= 1)) {
    throw new UsageError(`max-new-tokens is ${maxNewTokens}; it must be a whole number from 1.`);
  }
  if (ids.length === 0) throw new UsageError('there are no tokens to continue; give a longer prompt.');
  const row = [...ids];
  for (let made = 0; made < maxNewTokens; made++) {
    // An engine may answer without ever letting go of the event loop, and with it Ctrl-C.
    await setImmediate();
    signal?.throwIfAborted();
    const {logits, shape, slots} = await model.logits([row.slice(-maxPositions)], {threshold});
    const id = mostLikely(logits.subarray((shape[1] - 1) * shape[2]));
    if (id === eosTokenId) return;
    row.push(id);
    yield {id, slots: slots.length};
  }
}

/** The index of the largest value; of equals, the lowest. */
function mostLikely(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

import {setImmediate} from 'node:timers/promises';
import {UsageError} from '../../errors.js';
import {checkOption} from '../../options/index.js';
import type {CachedModel, CachedStep} from './cached.js';
import {requireExits} from '../exits/rule.js';
import type {ForwardOptions} from '../forward.js';
import type {Arrangement} from '../layout.js';
import type {Model} from '../model.js';
import {GENERATE_OPTIONS} from '../options.js';
import {sampler, type SamplingOptions} from './sampling.js';

const LENGTH = GENERATE_OPTIONS['max-new-tokens'];

/** Tokens exit by themselves. */
export interface GenerateOptions extends SamplingOptions, Omit<ForwardOptions, 'exitGranularity'> {
  maxNewTokens?: number;
  /** Stops before the next token, throwing the signal's reason. */
  signal?: AbortSignal;
}

export interface GeneratedToken {
  id: number;
  /** Slots that ran for it: for the token before it, which predicts it. */
  slots: number;
  /** Cycles of the middle that any of those slots were in. */
  cycles: number;
}

/**
 * Continues a text, one token after the other, until one of the tokens that end a text, which is not given, or as many
 * tokens as asked for. Keys and values are cached. A text that has filled the model's positions goes on from the last
 * half of them, computed anew; of a longer prompt the last tokens that fit are read.
 * @throws UsageError for no ids, or options that cannot be
 */
export async function* generate(
  model: Pick<Model, 'config' | 'cached'>,
  ids: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken> {
  const {maxNewTokens = LENGTH.default, signal, temperature, topK, topP, seed, ...forward} = options;
  const {arch, arrangement, endTokenIds} = model.config;
  checkOption('max-new-tokens', LENGTH, maxNewTokens);
  if (ids.length === 0) throw new UsageError('there are no tokens to continue; give a longer prompt.');
  const exits = {...forward, exitGranularity: 'token'} as const;
  requireExits(model.config, exits);
  const {next} = sampler({temperature, topK, topP, seed});
  const text = new GrowingText(() => model.cached(exits), ids, arch.maxPositions);
  try {
    for (let made = 0; made < maxNewTokens; made++) {
      // An engine may answer without ever letting go of the event loop, and with it Ctrl-C.
      await setImmediate();
      signal?.throwIfAborted();
      const {logits, slotsPerToken} = await text.read();
      const id = next(logits);
      if (endTokenIds.includes(id)) return;
      text.add(id);
      const slots = slotsPerToken.at(-1)!;
      yield {id, slots, cycles: cyclesOf(arrangement, slots)};
    }
  } finally {
    text.dispose();
  }
}

/** Cycles that so many slots reach into. */
function cyclesOf({head, tail, middleSources}: Arrangement, slots: number): number {
  return Math.ceil((slots - head - tail) / middleSources.length);
}

/** A text as a cache has it, and its tokens that are not read yet. */
class GrowingText {
  private cached: CachedModel;
  private last: CachedStep | null = null;
  private readonly ids: number[];

  constructor(
    private readonly makeCache: () => CachedModel,
    ids: readonly number[],
    private readonly maxPositions: number,
  ) {
    this.cached = makeCache();
    this.ids = ids.slice(-maxPositions);
  }

  add(id: number): void {
    this.ids.push(id);
  }

  /** Reads what was not read yet. */
  async read(): Promise<CachedStep> {
    if (this.ids.length > this.maxPositions) this.restart();
    const {cached, last, ids} = this;
    const [step] = last
      ? await cached.continue([{after: last.tokens, ids: ids.slice(last.tokens.count)}])
      : await cached.start([ids]);
    return (this.last = step!);
  }

  dispose(): void {
    this.cached.dispose();
  }

  /** From the last half of the positions on. */
  private restart(): void {
    this.cached.dispose();
    this.cached = this.makeCache();
    this.last = null;
    this.ids.splice(0, this.ids.length - Math.ceil(this.maxPositions / 2));
  }
}

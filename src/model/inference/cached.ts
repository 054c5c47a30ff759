import {activate, type Engine} from '../../engine/index.js';
import {UsageError} from '../../errors.js';
import {exitRule, type ExitRule} from '../exits/rule.js';
import type {ForwardOptions} from '../forward.js';
import {KeyCache} from './key-cache.js';
import {logitsOf} from '../lm-head.js';
import type {Network} from '../network.js';
import {checkIds, contextsOf} from './rows.js';
import {runPass} from './run-pass.js';
import {joined, startsOf, type CachedTokens, type Strand} from './strands.js';

export interface CachedOptions extends ForwardOptions {
  /** The tokens whose logits are computed: the last of each row (default), or all. */
  logits?: 'last' | 'all';
}

/** What came of some tokens. */
export interface CachedStep {
  /** These tokens and all before them, to be continued any number of times. */
  tokens: CachedTokens;
  /** [V] of the last token, or [T, V] of all. */
  logits: Float32Array;
  /** How many slots ran for each token. */
  slotsPerToken: Int32Array;
}

/** Some tokens that go on from others. */
export interface Continuation {
  after: CachedTokens;
  ids: readonly number[];
}

/**
 * A model with a KV cache. What several continuations share is neither computed again nor copied. A sequence's exit is
 * decided on its first tokens and kept; a token that exits by itself gives the keys and values of the slots it skips
 * from its state. The cache grows by `cachedTokenBytes` a token and some room, until `dispose`.
 */
export class CachedModel {
  private readonly cache: KeyCache;
  private readonly rule: ExitRule;

  /** @throws UsageError for options that cannot be */
  constructor(
    private readonly network: Network,
    private readonly engine: Engine,
    private readonly options: CachedOptions,
  ) {
    this.rule = exitRule(network.config, options);
    this.cache = new KeyCache(network.config);
  }

  /** Bytes of memory that the cache holds. */
  get bytes(): number {
    return this.cache.bytes;
  }

  /**
   * Sequences from their beginning.
   * @param contextLengths - of each, the tokens whose zero attention decides its exit; all unless given
   * @throws UsageError for ids or lengths that cannot be
   */
  async start(
    rows: readonly (readonly number[])[],
    contextLengths?: readonly number[],
  ): Promise<CachedStep[]> {
    checkIds(rows, 1, this.network.config.arch);
    const contexts = contextsOf(
      rows.map(({length}) => length),
      contextLengths,
    );
    return this.run(rows.map((ids, i) => ({ids, lead: i, shared: 0, contextLength: contexts[i]!})));
  }

  /**
   * Goes on, each from tokens that this cache has: several sequences by a token each, or several ways from one.
   * @throws UsageError for ids that cannot be, and for more tokens than the model has positions
   */
  async continue(items: readonly Continuation[]): Promise<CachedStep[]> {
    const {arch} = this.network.config;
    checkIds(
      items.map(({ids}) => ids),
      1,
      arch,
    );
    for (const [row, {after, ids}] of items.entries()) {
      if (after.count + ids.length > arch.maxPositions) {
        throw new UsageError(
          `row ${row} would have ${after.count + ids.length} tokens; this model takes 1 to ${arch.maxPositions}.`,
        );
      }
    }
    return this.run(items.map(({after, ids}, i) => ({ids, lead: i, shared: 0, contextLength: 0, after})));
  }

  /** Frees the cache. */
  dispose(): void {
    this.cache.dispose();
  }

  private async run(strands: Strand[]): Promise<CachedStep[]> {
    await activate(this.engine);
    const {network, rule, cache} = this;
    const {hidden, depths} = await runPass(network, strands, {rule, cache});
    const starts = startsOf(
      strands,
      strands.map((_, i) => i),
    );
    const wanted = strands.map(({ids}, i) => {
      const first = this.options.logits === 'all' ? 0 : ids.length - 1;
      return Array.from({length: ids.length - first}, (_, k) => starts.get(i)! + first + k);
    });
    const all = await logitsOf(network, hidden, wanted.flat());
    hidden.dispose();
    const V = network.config.arch.vocabulary;
    let done = 0;
    return strands.map(({ids, after}, i) => {
      const {slotsPerToken, cached, exit} = depths[i]!;
      const ranges = rule.runs.map((_, slot) =>
        joined([...(after?.ranges[slot] ?? []), ...(cached[slot] ?? [])]),
      );
      return {
        tokens: {count: (after?.count ?? 0) + ids.length, exit: after ? after.exit : exit, ranges},
        logits: all.slice(done * V, (done += wanted[i]!.length) * V),
        slotsPerToken,
      };
    });
  }
}

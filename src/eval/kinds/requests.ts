import {FormatError, UsageError} from '../../errors.js';
import type {Architecture, ScoreRow} from '../../model/index.js';
import type {Tokenizer} from '../../tokenizer/index.js';
import {strippedLength} from './python-text.js';

// Rows of text to rows of tokens, as lm-evaluation-harness 0.4.13 makes its requests. L is the model's longest
// input in tokens.

/** What requests need of a tokenizer. */
export type TextEncoder = Pick<Tokenizer, 'encode' | 'decode' | 'vocabulary' | 'requireRows'>;

/** A continuation to score, and what stands before it: a `TextPair` in tokens, neither empty. */
export interface Pair {
  context: readonly number[];
  continuation: readonly number[];
}

/** Text to pairs for one model. */
export class Encoder {
  private readonly prefix: number | null;
  /** The prefix token's text: a text that begins with it gets no special tokens. */
  private readonly prefixText: string | null;

  constructor(
    private readonly tokenizer: TextEncoder,
    /** The model's longest input, and its BOS and EOS ids, which count where the tokenizer names none. */
    private readonly arch: Pick<Architecture, 'maxPositions' | 'bosTokenId' | 'eosTokenIds'>,
  ) {
    const {bos, eos} = tokenizer.vocabulary();
    this.prefix = bos ?? eos ?? arch.bosTokenId ?? arch.eosTokenIds[0] ?? null;
    this.prefixText = this.prefix === null ? null : tokenizer.decode([this.prefix]);
  }

  /**
   * A context and its continuation. White space at the context's end goes to the continuation, and the
   * continuation's tokens are those of the whole text after as many as the context has alone: where a merge
   * crosses the boundary, the two are not the whole text's tokens. An empty context is the prefix token.
   * @throws FormatError naming `where` for a context of white space alone and a continuation of no token
   */
  pair(context: string, continuation: string, where: string): Pair {
    const pair = context === '' ? this.afterPrefix(continuation) : this.split(context, continuation);
    if (pair.context.length === 0) {
      throw new FormatError(`${where}: the context is white space alone; leave it empty or say something.`);
    }
    if (pair.continuation.length === 0) {
      throw new FormatError(`${where}: ${JSON.stringify(continuation)} has no token that could be scored.`);
    }
    const {maxPositions: L} = this.arch;
    if (pair.continuation.length > L) {
      throw new FormatError(
        `${where}: what is to be scored has ${pair.continuation.length} tokens; this model reads at most ${L}.`,
      );
    }
    return pair;
  }

  /**
   * A document's windows: together they score each of its tokens once. The first follows the prefix token; a
   * full later one has one token of context, and the last is filled up with context to the left. What the tokenizer
   * would put in front by itself, as OPT's, is left out: the prefix token is there. (The harness keeps both, and
   * scores one given the other.)
   */
  windows(page: string): Pair[] {
    const tokens = this.tokenizer.encode(page, false);
    const {maxPositions: L} = this.arch;
    if (tokens.length === 0) return [];
    const first = Math.min(L, tokens.length);
    const pairs: Pair[] = [{context: [this.requirePrefix()], continuation: tokens.slice(0, first)}];
    for (let done = first; done < tokens.length;) {
      const end = Math.min(done + L, tokens.length);
      pairs.push({context: tokens.slice(end - L - 1, done), continuation: tokens.slice(done, end)});
      done = end;
    }
    return pairs;
  }

  /** The rows of one question for this model; see `questionRows`. */
  rows(pairs: readonly Pair[]): QuestionRows {
    return questionRows(pairs, this.arch.maxPositions);
  }

  private split(context: string, continuation: string): Pair {
    const kept = strippedLength(context);
    const contextTokens = this.encode(context.slice(0, kept));
    return {
      context: contextTokens,
      continuation: this.encode(context + continuation).slice(contextTokens.length),
    };
  }

  private afterPrefix(continuation: string): Pair {
    const prefix = this.requirePrefix();
    const tokens = this.tokenizer.encode(continuation, false);
    return {context: [prefix], continuation: tokens[0] === prefix ? tokens.slice(1) : tokens};
  }

  private encode(text: string): number[] {
    return this.tokenizer.encode(text, this.prefixText === null || !text.startsWith(this.prefixText));
  }

  private requirePrefix(): number {
    if (this.prefix !== null) return this.prefix;
    throw new UsageError(
      'neither the tokenizer nor the model has a BOS or EOS token to begin a text with; set bos_token_id in its config.json.',
    );
  }
}

/** The token rows of a question, and who decides how deep they go. */
export interface QuestionRows {
  /** One a choice; or the windows of a document. */
  rows: ScoreRow[];
  /**
   * `own`: every row by itself, as all of its question do alike. An index: that row for all, where choices of unlike
   * length cut the question at different places. Null: none, for they have nothing in common to decide by.
   */
  decider: 'own' | number | null;
}

/**
 * The rows of one question. Each keeps the last L + 1 tokens of its pair, of which the model reads all but the last.
 * The exit is decided by the tokens that all contexts of the question begin with, as far as every row keeps them: no
 * answer has a say, and all choices run equally deep. What a row begins with as the row before it is computed once.
 * @param pairs - a question's choices, or one window of a document
 */
export function questionRows(pairs: readonly Pair[], maxPositions: number): QuestionRows {
  const wholes = pairs.map(({context, continuation}) => [...context, ...continuation]);
  const dropped = wholes.map(({length}) => Math.max(0, length - (maxPositions + 1)));
  const most = Math.max(...dropped);
  const left = commonPrefix(pairs.map(({context}) => context)) - most;
  const contextLength = Math.max(1, left);
  let lead = 0;
  const rows = wholes.map((whole, i): ScoreRow => {
    const ids = whole.slice(dropped[i]);
    const row = {ids, from: pairs[i]!.context.length - dropped[i]!, contextLength};
    const shared =
      i === lead || dropped[i] !== dropped[lead]
        ? 0
        : Math.min(
            commonPrefix([ids, wholes[lead]!.slice(dropped[lead])]),
            ids.length - 1,
            wholes[lead]!.length - dropped[lead]! - 1,
          );
    if (shared >= contextLength) return {...row, shared};
    lead = i;
    return row;
  });
  const alike = dropped.every((count) => count === most);
  return {rows, decider: left < 1 ? null : alike ? 'own' : dropped.indexOf(most)};
}

function commonPrefix(lists: readonly (readonly number[])[]): number {
  const [first, ...others] = lists;
  if (!first) return 0;
  const end = first.findIndex((token, i) => others.some((list) => list[i] !== token));
  return end < 0 ? first.length : end;
}

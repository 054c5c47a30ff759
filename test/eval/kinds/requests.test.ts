import {describe, expect, it} from 'vitest';
import {Encoder, openTask, prepareTask, questionRows, type TextEncoder} from '../../../src/eval/index.js';
import {codePoints, countWords, strippedLength} from '../../../src/eval/kinds/python-text.js';
import {FormatError, UsageError} from '../../../src/errors.js';
import type {Architecture} from '../../../src/model/index.js';
import {Tokenizer, type Vocabulary} from '../../../src/tokenizer/index.js';
import {OPT} from '../fixtures.js';

type Named = Omit<Vocabulary, 'size'>;

/** A token a character, "ab" merged into one; the special token `</s>`, id 2, begins a text unless told not to. */
function tokenizer(special: boolean, named: Named = {bos: null, eos: null, pad: null}): TextEncoder {
  return {
    encode: (text, add = true) => [
      ...(special && add ? [2] : []),
      ...(text.match(/<\/s>|ab|[^]/gu) ?? []).map((piece) =>
        piece === '</s>' ? 2 : piece === 'ab' ? 900 : piece.codePointAt(0)!,
      ),
    ],
    decode: (ids) => ids.map((id) => (id === 2 ? '</s>' : String.fromCodePoint(id))).join(''),
    vocabulary: () => ({size: 901, ...named}),
    requireRows: () => {},
  };
}
const arch = {maxPositions: 6, bosTokenId: 2, eosTokenIds: []};
const gpt2 = new Encoder(tokenizer(false), arch);
const opt = new Encoder(tokenizer(true), arch);
const ids = (text: string) => [...text].map((character) => character.codePointAt(0)!);

describe('a pair', () => {
  it('takes white space at the end of the context into the continuation', () => {
    expect(gpt2.pair('xy \n', ' z', '')).toEqual({context: ids('xy'), continuation: ids(' \n z')});
    // JavaScript trims U+FEFF and Python does not; U+0085 the other way round.
    expect(gpt2.pair('x\x85', 'z', '')).toEqual({context: ids('x'), continuation: ids('\x85z')});
    expect(gpt2.pair('x\ufeff', 'z', '')).toEqual({context: ids('x\ufeff'), continuation: ids('z')});
  });

  it('keeps the context alone where a merge crosses the boundary', () => {
    expect(gpt2.pair('xa', 'bc', '')).toEqual({context: ids('xa'), continuation: ids('c')});
  });

  it('puts the prefix token before a continuation without context, once', () => {
    expect(gpt2.pair('', 'xy', '')).toEqual({context: [2], continuation: ids('xy')});
    expect(gpt2.pair('', '</s>xy', '')).toEqual({context: [2], continuation: ids('xy')});
    expect(opt.pair('', 'xy', '')).toEqual({context: [2], continuation: ids('xy')});
    expect(opt.pair('x', 'y', '')).toEqual({context: [2, ...ids('x')], continuation: ids('y')});
    expect(opt.pair('</s>x', 'y', '')).toEqual({context: [2, ...ids('x')], continuation: ids('y')});
    const eos = new Encoder(tokenizer(false), {...arch, bosTokenId: null, eosTokenIds: [2]});
    expect(eos.pair('', 'x', '').context).toEqual([2]);
  });

  it("takes the prefix token from the tokenizer, else from the model's config", () => {
    const prefixOf = (named: Named) => new Encoder(tokenizer(false, named), arch).pair('', 'x', '').context;
    expect(prefixOf({bos: 7, eos: 8, pad: 9})).toEqual([7]);
    expect(prefixOf({bos: null, eos: 8, pad: 9})).toEqual([8]);
    expect(prefixOf({bos: null, eos: null, pad: 9})).toEqual([2]);
  });

  it('is refused by its line where there is nothing to score or to begin with', () => {
    expect(() => gpt2.pair(' \n', 'x', 'f, line 3')).toThrow(FormatError);
    expect(() => gpt2.pair(' \n', 'x', 'f, line 3')).toThrow(/f, line 3: the context is white space/);
    expect(() => gpt2.pair('xa', 'b', 'f, line 3')).toThrow(/f, line 3: "b" has no token/);
    expect(() => gpt2.pair('', '</s>', 'f, line 3')).toThrow(/no token/);
    expect(() => gpt2.pair('x', '1234567', 'f, line 3')).toThrow(/has 7 tokens; this model reads at most 6/);
    const none = new Encoder(tokenizer(false), {...arch, bosTokenId: null});
    expect(() => none.pair('', 'x', '')).toThrow(UsageError);
    expect(none.pair('y', 'x', '').context).toEqual(ids('y'));
  });
});

describe('windows', () => {
  it('score each token once: the first after the prefix, full ones after one token, the last filled up', () => {
    expect(gpt2.windows('123456')).toEqual([{context: [2], continuation: ids('123456')}]);
    expect(gpt2.windows('123456789abcDEFGH'.replace('ab', 'xy'))).toEqual([
      {context: [2], continuation: ids('123456')},
      {context: ids('6'), continuation: ids('789xyc')},
      {context: ids('yc'), continuation: ids('DEFGH')},
    ]);
    expect(gpt2.windows('1234567')).toEqual([
      {context: [2], continuation: ids('123456')},
      {context: ids('123456'), continuation: ids('7')},
    ]);
    expect(gpt2.windows('')).toEqual([]);
  });

  it("begin with one prefix token, whatever the tokenizer puts in front; a text's own token is scored", () => {
    expect(opt.windows('xy')).toEqual([{context: [2], continuation: ids('xy')}]);
    expect(opt.windows('</s>xy')).toEqual([{context: [2], continuation: [2, ...ids('xy')]}]);
    expect(opt.windows('')).toEqual([]);
  });
});

describe('the rows of a question', () => {
  const pair = (context: string, continuation: string) => ({
    context: ids(context),
    continuation: ids(continuation),
  });

  it('share the context that decides the exit, and all they begin with alike', () => {
    expect(questionRows([pair('xyz', '1'), pair('xyz', '1234'), pair('xyz', '9')], 8)).toEqual({
      rows: [
        {ids: ids('xyz1'), from: 3, contextLength: 3},
        {ids: ids('xyz1234'), from: 3, contextLength: 3, shared: 3},
        {ids: ids('xyz9'), from: 3, contextLength: 3, shared: 3},
      ],
      decider: 'own',
    });
    const {rows} = questionRows([pair('xyz', '1234'), pair('xyz', '1256')], 8);
    expect(rows[1]!.shared).toBe(5);
  });

  it('are cut on the left to what the model reads and one more; the one cut most decides by what is left', () => {
    expect(questionRows([pair('uvwxyz', '1'), pair('uvwxyz', '12345'), pair('uvwxyz', '2')], 6)).toEqual({
      rows: [
        {ids: ids('uvwxyz1'), from: 6, contextLength: 2},
        {ids: ids('yz12345'), from: 2, contextLength: 2},
        {ids: ids('uvwxyz2'), from: 6, contextLength: 2},
      ],
      decider: 1,
    });
    expect(questionRows([pair('uvwxyz', '123456')], 6)).toEqual({
      rows: [{ids: ids('z123456'), from: 1, contextLength: 1}],
      decider: 'own',
    });
  });

  it('decide by what their contexts have in common, and not at all without', () => {
    const decided = (...contexts: string[]) => {
      const {rows, decider} = questionRows(
        contexts.map((context) => pair(context, '12')),
        6,
      );
      return [decider, ...rows.map(({contextLength}) => contextLength)];
    };
    expect(decided('xya', 'xybc')).toEqual(['own', 2, 2]);
    expect(decided('xy', 'xybc')).toEqual(['own', 2, 2]);
    expect(decided('a', 'b')).toEqual([null, 1, 1]);
    expect(decided('uvwxya', 'uvwxybc')).toEqual([1, 3, 3]);
    expect(decided('abcdef', 'abcdefghijkl')).toEqual([null, 1, 1]);
  });
});

it('a token that the model has no row for is told by the line', async () => {
  const tokenizer = await Tokenizer.load(OPT.model);
  const task = await openTask(OPT.tasks.last_words);
  const row = tokenizer.encode((task.rows[0]!.doc as {text: string}).text);
  const largest = Math.max(...row);
  const arch = {
    maxPositions: 256,
    bosTokenId: 2,
    eosTokenIds: [2],
    vocabulary: largest,
  } as Partial<Architecture> as Architecture;
  expect(() => prepareTask(task, tokenizer, {config: {arch}})).toThrow(
    new RegExp(`last_words\\.jsonl, line 1: the token ".+" has the id ${largest}, but .* ${largest} rows`),
  );
});

it("text is measured as Python's", () => {
  expect(['', ' \n', 'a ', 'a\x1f\x85', '\ufeff', 'a b', '\u{1f600} '].map(strippedLength)).toEqual([
    0, 0, 1, 1, 1, 3, 2,
  ]);
  expect(['', 'a', ' a b\n', 'a\x1cb', 'a\ufeffb', 'a\u200bb'].map(countWords)).toEqual([1, 1, 4, 2, 1, 1]);
  expect(['', 'é', '\u{1f600}', 'e\u0301'].map(codePoints)).toEqual([0, 1, 1, 2]);
});

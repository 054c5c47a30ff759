import {createHash} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {UsageError} from '../../src/errors.js';
import {hop, openSynthetic, splitOf, type Split} from '../../src/synthetic/index.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {TOKENIZER} from '../helpers/tiny-model.js';

const all = (spec: string, split: Split = 'test') => {
  const task = openSynthetic(spec, split);
  return [...task.questions()].map(({prompt, answer}) => ({
    prompt,
    symbols: prompt.trim().split(' '),
    answer: task.answers[answer]!,
  }));
};

/** The definition as it is printed, places from 1: arXiv 2402.09268, definition 4.1. */
function hopOfThePaper(x: readonly string[], k: number): string | null {
  const find = (hops: number, i: number): number => {
    const from = hops === 1 ? i : find(hops - 1, i);
    const places = x.map((_, j) => j + 1).filter((j) => j > 1 && j <= from && x[j - 2] === x[from - 1]);
    return Math.max(0, ...places);
  };
  const end = find(k, x.length);
  return end === 0 ? null : x[end - 1]!;
}

describe('p-hop', () => {
  it('hops as in the example of the paper', () => {
    const sequence = [...'baebcabebdea'];
    const places = sequence.map((letter) => letter.charCodeAt(0));
    const hops = [1, 2, 3, 4].map((p) => {
      const end = hop(places, p);
      return end === null ? null : sequence[end]!;
    });
    // The first two are the paper's; c has no place before the fifth.
    expect(hops).toEqual(['b', 'c', null, null]);
  });

  it.each(['synthetic:p-hop', 'synthetic:p-hop?n=40&p=9&alphabet=6', 'synthetic:p-hop?n=5&p=1&alphabet=3'])(
    'asks what the definition answers: %s',
    (spec) => {
      const p = Number(/p=(\d+)/.exec(spec)?.[1] ?? 4);
      for (const {symbols, answer} of all(`${spec}${spec.includes('?') ? '&' : '?'}rows=300`, 'train')) {
        expect(answer).toBe(hopOfThePaper(symbols, p));
        expect(symbols.some((symbol, i) => symbol === symbols[i + 1])).toBe(false);
      }
    },
  );
});

it('mod-add answers with the sum along the chain', () => {
  const rows = all('synthetic:mod-add?n=6&p=4&modulus=7&rows=300');
  for (const {symbols, answer} of rows) {
    const before = new Map<string, {of: string; term: number}>();
    for (let i = 0; i + 2 < symbols.length; i += 3) {
      before.set(symbols[i]!, {of: symbols[i + 1]!, term: 'abcdefg'.indexOf(symbols[i + 2]!)});
    }
    const terms: number[] = [];
    for (let at = before.get(symbols.at(-1)!); at; at = before.get(at.of)) terms.push(at.term);
    expect(terms).toHaveLength(4);
    expect(answer).toBe('abcdefg'[terms.reduce((a, b) => a + b) % 7]);
  }
  // The order of the statements tells nothing: the asked variable's stands at each place.
  const places = rows.map(({symbols}) => symbols.indexOf(symbols.at(-1)!));
  expect(new Set(places).size).toBeGreaterThan(6);
});

it('brackets asks for the innermost bracket that is open, at every distance', () => {
  const distances = new Map<number, number>();
  for (const {symbols, answer} of all('synthetic:brackets?n=9&kinds=3&rows=3000', 'train')) {
    const open: {symbol: string; place: number}[] = [];
    for (const [place, symbol] of symbols.entries()) {
      if (symbol === symbol.toLowerCase()) open.push({symbol, place});
      else expect(open.pop()!.symbol).toBe(symbol.toLowerCase());
    }
    const {symbol, place} = open.at(-1)!;
    expect(answer).toBe(symbol.toUpperCase());
    distances.set(symbols.length - place, (distances.get(symbols.length - place) ?? 0) + 1);
  }
  expect([...distances.keys()].sort()).toEqual([3, 5, 7, 9]);
  // 750 each, with a deviation of 24.
  for (const count of distances.values()) expect(Math.abs(count - 750)).toBeLessThan(120);
});

const SPECS = ['synthetic:p-hop', 'synthetic:mod-add', 'synthetic:brackets'];

describe('every task', () => {
  it.each([
    [
      'synthetic:p-hop',
      ' c b c a b a d b d a d c b c a c',
      'd',
      '3699c03cf5e12fa55fe57b3e8b08b3d528dccbb532f12486700cf433d1d86a8b',
    ],
    [
      'synthetic:mod-add',
      ' C H c M L c L C d H E b C',
      'd',
      'c985f535499a72a67ca5b621996d7a24c4e2bbe5745d9edd650cf1f9c90511fe',
    ],
    [
      'synthetic:brackets',
      ' d a A b b a d D d D A B d a A D',
      'B',
      'f137ad62fef31ba2e6e54e037154e30a6021294c4c57a3f629845d2faadb2329',
    ],
  ])('%s gives for ever the questions that it gives now', (spec, prompt, answer, sha256) => {
    const rows = all(spec);
    expect(rows[0]).toMatchObject({prompt, answer});
    expect(new Set(rows.map((row) => row.prompt)).size).toBe(1000);
    const text = rows.map((row) => `${row.prompt} ${row.answer}`).join('\n');
    expect(createHash('sha256').update(text).digest('hex')).toBe(sha256);
  });

  it.each(SPECS)('%s: each answer is right equally often', (spec) => {
    const {answers} = openSynthetic(spec, 'train');
    const rows = all(`${spec}?rows=8000`, 'train');
    const each = 8000 / answers.length;
    for (const answer of answers) {
      const count = rows.filter((row) => row.answer === answer).length;
      expect(Math.abs(count - each)).toBeLessThan(5 * Math.sqrt(each));
    }
  });

  it.each(SPECS)('%s: no question is in two splits, whatever the seeds', (spec) => {
    const prompts = (split: Split, seed: number) =>
      all(`${spec}?seed=${seed}&rows=2000`, split).map(({prompt}) => prompt);
    const train = new Set([...prompts('train', 0), ...prompts('train', 1)]);
    for (const split of ['test', 'validation'] as const) {
      for (const prompt of [...prompts(split, 0), ...prompts(split, 7)]) {
        expect(train.has(prompt)).toBe(false);
        expect(splitOf(prompt)).toBe(split);
      }
    }
    expect(prompts('test', 0)).not.toEqual(prompts('test', 1));
  });

  it('writes each symbol as one token of a vocabulary like that of GPT-2', async () => {
    const tokenizer = await Tokenizer.load(TOKENIZER);
    for (const spec of ['p-hop?alphabet=22', 'mod-add?n=21&p=9&modulus=22', 'brackets?kinds=22']) {
      for (const {prompt, symbols, answer} of all(`synthetic:${spec}&rows=50`)) {
        expect(tokenizer.encode(`${prompt} ${answer}`)).toHaveLength(symbols.length + 1);
      }
    }
  });
});

describe('a spec', () => {
  it('names parameters, seed, rows and split', () => {
    expect(openSynthetic('synthetic:p-hop?n=32&seed=3&rows=7&split=validation', 'train')).toMatchObject({
      name: 'p-hop',
      parameters: {n: 32, p: 4, alphabet: 4},
      seed: 3,
      rows: 7,
      split: 'validation',
    });
    expect(openSynthetic('synthetic:p-hop', 'train')).toMatchObject({rows: 100_000, split: 'train'});
    expect(openSynthetic('synthetic:p-hop', 'test')).toMatchObject({rows: 1000, split: 'test'});
  });

  it.each([
    ['synthetic:', 'no synthetic task; there are synthetic:p-hop, synthetic:mod-add'],
    ['synthetic:hop?n=3', '"synthetic:hop?n=3" is no synthetic task'],
    ['synthetic:constructor', 'is no synthetic task'],
    ['synthetic:p-hop?', '"" is no key=value'],
    ['synthetic:p-hop?n=16&&p=4', '"" is no key=value'],
    ['synthetic:p-hop?n', '"n" is no key=value'],
    ['synthetic:p-hop?n=', '"n=" is no key=value'],
    ['synthetic:p-hop?n=16&n=16', 'has "n" twice'],
    ['synthetic:p-hop?kinds=2', 'p-hop has no "kinds"; it has n, p, alphabet, seed, rows, split'],
    ['synthetic:p-hop?__proto__=2', 'p-hop has no "__proto__"'],
    [
      'synthetic:p-hop?n=16.5',
      'n (symbols in the sequence) is "16.5"; it must be a whole number from 4 to 4096',
    ],
    ['synthetic:p-hop?p=-1', 'p (hops) is "-1"'],
    ['synthetic:p-hop?alphabet=23', 'from 3 to 22'],
    ['synthetic:p-hop?rows=0', 'rows (questions) is "0"'],
    ['synthetic:p-hop?n=8&p=7', 'a sequence of n=8 symbols has no more than 6 hops'],
    ['synthetic:mod-add?p=5', 'a chain of n=4 additions has no more than 4'],
    ['synthetic:brackets?split=dev', 'there is no split "dev"; there are train, validation, test'],
  ])('%s is refused by what is wrong', (spec, message) => {
    expect(() => openSynthetic(spec, 'train')).toThrow(UsageError);
    expect(() => openSynthetic(spec, 'train')).toThrow(message);
  });

  it('of which there are hardly any questions is refused, not looked for without end', () => {
    expect(() => all('synthetic:p-hop?n=30&p=28')).toThrow('hardly any');
    // Three kinds and three brackets: nine questions in all.
    expect(() => all('synthetic:brackets?n=3&kinds=3')).toThrow(UsageError);
  });
});

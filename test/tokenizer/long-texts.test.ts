import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {FormatError} from '../../src/errors.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {FIXTURES} from '../helpers/oracle.js';

let tokenizer: Tokenizer;
beforeAll(async () => void (tokenizer = await Tokenizer.load(join(FIXTURES, 'gpt2-books'))));

describe('a long text', () => {
  it('without a space takes time in proportion to its length', () => {
    const seconds = (text: string) => {
      const began = process.cpuUsage();
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      const {user, system} = process.cpuUsage(began);
      return (user + system) / 1e6;
    };
    const letters = Array.from({length: 200_000}, (_, i) => String.fromCharCode(97 + ((i * i) % 26))).join(
      '',
    );
    const [short, long] = [seconds(letters.slice(0, 20_000)), seconds(letters)];
    // Ten times as long; were it quadratic, it would be a hundred times.
    expect(long).toBeLessThan(40 * Math.max(short, 0.02));
  });

  it('is refused where a million characters have no space', () => {
    const text = `here: ${'x'.repeat(70_000)} ${'y'.repeat(1_100_000)}`;
    expect(() => tokenizer.encode(text)).toThrow(FormatError);
    expect(() => tokenizer.encode(text)).toThrow(/without a space or a new line are taken for text/);
  });
});

it('half a surrogate pair is refused', () => {
  expect(() => tokenizer.encode('ab\ud83dc')).toThrow(FormatError);
  expect(() => tokenizer.encode('ab\ud83dc')).toThrow(/half a surrogate pair .* after "ab"/);
  expect(tokenizer.decode(tokenizer.encode('ab\ud83d\ude00c'))).toBe('ab😀c');
});

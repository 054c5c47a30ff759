import {describe, expect, it} from 'vitest';
import {failureOf} from '../../src/ui/failure.js';
import {printable, printableJson} from '../../src/ui/printable.js';

const HOSTILE = '\u001b[2J\u0007\u009b31m\u202eabc\u2066\u{e0041}\u007f';

describe('a text for a terminal', () => {
  it('has nothing that acts on it, but says what was there', () => {
    expect(printable(HOSTILE)).toBe(String.raw`\u001b[2J\u0007\u009b31m\u202eabc\u2066\ue0041\u007f`);
  });

  it('keeps lines, tabs, joiners and every letter', () => {
    const text = 'a\tb\n👩‍👩‍👧 نمی‌خواهم é 東京';
    expect(printable(text)).toBe(text);
  });

  it('says the same in JSON', () => {
    const json = printableJson(JSON.stringify({name: HOSTILE}));
    expect(json).not.toMatch(/[\u007f-\u009f\u202e\u2066]/);
    expect(JSON.parse(json)).toEqual({name: HOSTILE});
  });

  it('is one line of an error', () => {
    const {message} = failureOf(new Error(`${HOSTILE}\nnext`));
    expect(message).toMatch(/^Error: \[2J 31m\\u202eabc/);
    expect(message).not.toMatch(/[\p{Cc}\u202e\u2066]/u);
  });
});

describe('a limit of the engine', () => {
  it.each([
    ['Maximum call stack size exceeded', /nested too deeply/],
    ['Invalid string length', /too large for the memory/],
    ['Array buffer allocation failed', /too large for the memory/],
  ])('is no bug of ztt: %s', (words, message) => {
    expect(failureOf(new RangeError(words)).message).toMatch(message);
    expect(failureOf(new RangeError(words)).message).not.toMatch(/bug/);
  });

  it('of the system says what to do', () => {
    const error = Object.assign(new Error('EMFILE: too many open files, open x'), {
      code: 'EMFILE',
      syscall: 'open',
    });
    expect(failureOf(error).message).toMatch(/ulimit -n/);
  });
});

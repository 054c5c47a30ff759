import {stripVTControlCharacters} from 'node:util';
import {describe, expect, it} from 'vitest';
import {DepthText, showsColours} from '../../src/ui/depth-text.js';

describe('text whose depth is shown', () => {
  it('is coloured by the share of cycles, line by line', () => {
    const shown = new DepthText(4, true);
    expect(shown.piece('a\nb', 1)).toBe('\u001b[38;5;33ma\u001b[0m\n\u001b[38;5;33mb\u001b[0m');
    expect(shown.piece(' c', 4)).toBe('\u001b[38;5;203m c\u001b[0m');
    expect(shown.piece('', 2)).toBe('');
    expect(stripVTControlCharacters(shown.legend())).toBe('cycles:  1  2  3  4 ');
    expect(new DepthText(1, true).piece('x', 1)).toBe('\u001b[38;5;33mx\u001b[0m');
  });

  it('is marked where it changes, without colours', () => {
    const shown = new DepthText(4, false);
    const pieces = [' she', ' was', '', ' a', '.'].map((text, i) => shown.piece(text, [4, 2, 3, 2, 4][i]!));
    expect(pieces.join('')).toBe('[4] she[2] was a[4].');
    expect(shown.legend()).toMatch(/^\[N\]: /);
  });

  it('has colours on a terminal whose user wants them', () => {
    const stream = (isTTY: boolean) => ({isTTY}) as NodeJS.WriteStream;
    expect(showsColours(stream(true), {})).toBe(true);
    expect(showsColours(stream(true), {NO_COLOR: ''})).toBe(true);
    expect(showsColours(stream(true), {NO_COLOR: '1'})).toBe(false);
    expect(showsColours(stream(true), {TERM: 'dumb'})).toBe(false);
    expect(showsColours(stream(false), {})).toBe(false);
  });
});

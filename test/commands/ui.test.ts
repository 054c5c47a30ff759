import {stripVTControlCharacters} from 'node:util';
import {describe, expect, it} from 'vitest';
import {UsageError} from '../../src/errors.js';
import {DepthText, showsColours} from '../../src/ui/depth-text.js';
import {failureOf} from '../../src/ui/failure.js';
import {bytes, count, duration, flops, plural, ratio} from '../../src/ui/format.js';
import {Progress} from '../../src/ui/progress.js';
import {facts, table} from '../../src/ui/table.js';

/** A stream that is no terminal, and what was written to it. */
function pipe() {
  const written: string[] = [];
  const stream = {isTTY: false, write: (text: string) => written.push(text) > 0};
  return {stream: stream as unknown as NodeJS.WriteStream, written};
}

describe('progress off a terminal', () => {
  it('prints a plain line now and then: after ten seconds and a tenth of the work, or a minute', async () => {
    const {stream, written} = pipe();
    let time = 0;
    const progress = await Progress.start({title: 'Working', stream, now: () => time});
    for (let second = 0; second <= 100; second++) {
      time = second * 1000;
      progress.update(second, 100, 'loss 1');
    }
    progress.stop();
    expect(written).toHaveLength(10);
    expect(written[0]).toBe('Working 10 % · 10 of 100 · 1.0/s · 1 min 30 s left · loss 1\n');
    written.length = 0;
    progress.begin('Slowly');
    for (let second = 100; second <= 300; second++) {
      time = second * 1000;
      progress.update(second / 100, 1000);
    }
    expect(written).toHaveLength(3);
    expect(written[0]).toMatch(/^Slowly 0 % · .* each · .* left\n$/);
  });

  it('says nothing about a short job, and nothing at all where it is to be quiet', async () => {
    const {stream, written} = pipe();
    const short = await Progress.start({title: 'Working', stream});
    for (let i = 0; i <= 1000; i++) short.update(i, 1000);
    short.stop();
    let time = 0;
    const quiet = await Progress.start({title: 'Working', stream, quiet: true, now: () => (time += 1e6)});
    quiet.update(1, 2);
    quiet.note('a note');
    quiet.stop();
    expect(written).toEqual([]);
  });

  it('counts the rate of a resumed job from where it went on', async () => {
    const {stream, written} = pipe();
    let time = 0;
    const progress = await Progress.start({title: 'Working', amount: bytes, stream, now: () => time});
    progress.update(900_000, 1_000_000);
    time = 50_000;
    progress.update(950_000, 1_000_000);
    expect(written).toEqual(['Working 95 % · 950 kB of 1.00 MB · 1.00 kB/s · 50 s left\n']);
  });
});

describe('progress on a terminal', () => {
  it('shows lines under its bar, no wider and no more than there is room for', async () => {
    const written: string[] = [];
    const stream = {
      isTTY: true,
      columns: 40,
      rows: 4,
      write: (text: string) => written.push(text) > 0,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    } as unknown as NodeJS.WriteStream;
    let time = 0;
    const progress = await Progress.start({title: 'Working', stream, now: () => time});
    progress.showUnder(['first', 'second '.repeat(9), 'third'].join('\n'));
    written.length = 0;
    time = 1000;
    progress.update(1, 2);
    progress.stop();
    const shown = stripVTControlCharacters(written.join(''));
    expect(shown).toMatch(/Working █+░+ 50/);
    expect(shown).toContain('\nfirst\nsecond second second second second s');
    expect(shown).not.toContain('third');
    expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThan(40);
  });
});

describe('an error', () => {
  it('is told in one printable line, of bounded length', () => {
    const {message} = failureOf(new UsageError(`a\n\tb \u001b[31mred\u0007 ${'x'.repeat(5000)}`));
    expect(message).toMatch(/^a b \[31mred x+…$/);
    expect(message.length).toBeLessThan(2100);
  });

  it('of the system is told as the system does, and any other is a bug', () => {
    const denied = Object.assign(new Error("EACCES: permission denied, open 'x'"), {
      code: 'EACCES',
      syscall: 'open',
    });
    expect(failureOf(denied)).toMatchObject({message: "EACCES: permission denied, open 'x'", exitCode: 1});
    const bug = failureOf(new TypeError('x is undefined'));
    expect(bug.message).toMatch(/^TypeError: x is undefined\.? This is a bug in ztt; .*DEBUG=1/);
    expect(bug).toMatchObject({name: 'InternalError', exitCode: 1});
  });
});

describe('numbers and tables', () => {
  it('read well', () => {
    expect([count(0), count(124439808)]).toEqual(['0', '124,439,808']);
    expect([0, 512, 999, 1000, 36_400, 999_999, 5e9].map(bytes)).toEqual([
      '0 B',
      '512 B',
      '999 B',
      '1.00 kB',
      '36.4 kB',
      '1000 kB',
      '5.00 GB',
    ]);
    expect([225_000, 1.32e7, 1e18].map(flops)).toEqual(['225 kFLOPs', '13.2 MFLOPs', '1000 PFLOPs']);
    expect([0.05, 9.94, 9.96, 59.4, 59.6, 187, 7500].map(duration)).toEqual([
      '0.1 s',
      '9.9 s',
      '10 s',
      '59 s',
      '1 min 00 s',
      '3 min 07 s',
      '2 h 05 min',
    ]);
    expect([ratio(1.618), plural(1, 'layer'), plural(2, 'layer')]).toEqual(['1.62x', '1 layer', '2 layers']);
  });

  it('are aligned with spaces alone', () => {
    expect(
      table(
        [{title: 'a'}, {title: 'n', align: 'right'}, {title: ''}],
        [
          ['x', '1', ''],
          ['yy', '22', 'z'],
        ],
      ),
    ).toBe('a    n\nx    1\nyy  22  z');
    expect(
      facts([
        ['a', '1'],
        ['long', 'x\ny'],
      ]),
    ).toBe('  a     1\n  long  x\n        y');
  });
});

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

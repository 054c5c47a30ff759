import {stripVTControlCharacters} from 'node:util';
import {describe, expect, it} from 'vitest';
import {bytes} from '../../src/ui/format.js';
import {Progress} from '../../src/ui/progress.js';

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

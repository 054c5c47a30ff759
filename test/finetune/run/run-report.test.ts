import {existsSync} from 'node:fs';
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {describe, expect, it} from 'vitest';
import {plotRuns, UsageError, type MetricsLine} from '../../../src/index.js';
import {means} from '../../../src/finetune/run/run-report.js';
import {CHROMIUM, openAsPhone} from '../../helpers/chromium.js';
import {sharedTempFolder} from '../../helpers/temp.js';

const temp = sharedTempFolder();

/** Metrics as a run writes them: its loss falls from 5, zero attention rises in slot 1. */
function metrics(steps: number): MetricsLine[] {
  const heldOut = (step: number) => ({
    loss: 5 - step / 100,
    zero_attention: [0.1, step / steps],
    exits: [1, 0.2].map((threshold) => ({
      threshold,
      loss: 5.5 - step / 100,
      mean_slots: threshold === 1 ? 2 : 1.25,
      flops_per_token: 1000,
      exits_by_slot: {'2': 4},
    })),
    blocks: 4,
    seconds: 0.5,
  });
  return Array.from({length: steps + 1}, (_, step) => ({
    step,
    ...(step > 0
      ? {loss: 5 - step / 90, lr: 1e-4, grad_norm: 1.5, tokens_per_second: 1000, flops: 1e6 * step}
      : {}),
    ...(step % 10 === 0 ? {held_out: heldOut(step)} : {}),
  }));
}

async function makeRun(name: string, lines: readonly object[]): Promise<string> {
  const run = temp.path(name);
  await mkdir(run, {recursive: true});
  await writeFile(`${run}/metrics.jsonl`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return run;
}

describe('plotRuns', () => {
  it('draws a run with its numbers beside the pictures', async () => {
    const run = await makeRun('one', metrics(40));
    const output = temp.path('one.html');
    const report = await plotRuns({runs: [run], output});
    expect(report.figures).toEqual([
      'Training loss',
      'Held-out loss',
      'Zero attention by slot: one',
      'Cycle use',
      'Learning rate',
      'Gradient norm',
      'Speed',
    ]);
    const text = await readFile(output, 'utf8');
    expect(text).toMatch(/<td>40<\/td>\s*<td class="number">4\.6<\/td>\s*<td class="number">5\.1<\/td>/);
    expect(text).toContain('<td class="number">1.25</td>');
    expect(text).toContain('<td class="number">4.989</td>');
  });

  it('overlays several runs, and tells those of one name apart', async () => {
    const runs = await Promise.all(['a/run', 'b/run'].map((name) => makeRun(name, metrics(20))));
    const output = temp.path('two.html');
    await plotRuns({runs, output});
    const text = await readFile(output, 'utf8');
    expect(text).toContain('run (1)');
    expect(text).toContain('Zero attention by slot: run (2)');
  });

  it('does not trust the name of a run', async () => {
    const run = await makeRun('<script>alert(1)<', metrics(10));
    const output = temp.path('evil.html');
    await plotRuns({runs: [run], output});
    expect(await readFile(output, 'utf8')).not.toContain('<script');
  });

  it('refuses what is no run, no metrics, or no page', async () => {
    const output = temp.path('bad.html');
    await expect(plotRuns({runs: [temp.path('none')], output})).rejects.toThrow(
      /metrics\.jsonl cannot be read/,
    );
    const empty = await makeRun('empty', []);
    await expect(plotRuns({runs: [empty], output})).rejects.toThrow(/has no metrics yet/);
    const bad = await makeRun('bad', [{step: 1}, {step: 'two'}]);
    await expect(plotRuns({runs: [bad], output})).rejects.toThrow(/metrics\.jsonl, line 2 at step/);
    await expect(plotRuns({runs: [bad], output: 'notes.md'})).rejects.toThrow(UsageError);
    expect(existsSync(output)).toBe(false);
  });

  it('shows long runs as means of equal stretches', () => {
    const points = Array.from({length: 1000}, (_, i) => ({x: i + 1, y: i % 4}));
    const shown = means(points);
    expect(shown).toHaveLength(250);
    expect(shown[0]).toEqual({x: 2.5, y: 1.5});
    expect(means(points.slice(0, 10))).toEqual(points.slice(0, 10));
  });

  it.skipIf(!CHROMIUM)(
    'fits a phone in a real browser, without a complaint on its console (skips where there is no Chromium)',
    async () => {
      const output = temp.path('phone.html');
      await plotRuns({runs: [await makeRun('phone', metrics(40))], output});
      const {width, log} = await openAsPhone(output, temp.path('frame.html'));
      expect(width).toBeLessThanOrEqual(360);
      expect(log).not.toContain('CONSOLE');
    },
  );
});

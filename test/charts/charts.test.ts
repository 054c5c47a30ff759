import {describe, expect, it} from 'vitest';
import {heatmap, html, lineChart, numeral, page, table} from '../../src/charts/index.js';
import {scaleOf} from '../../src/charts/scale.js';

describe('html', () => {
  it('escapes what it is given, and not its own markup', () => {
    const evil = `<script>alert("1")</script> & 'x'`;
    const {markup} = html`<p title="${evil}">${[evil, html`<b>${1}</b>`]}</p>`;
    const safe = '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;';
    expect(markup).toBe(`<p title="${safe}">${safe}<b>1</b></p>`);
    expect(html`${'a\u0000\u001bb\n'}`.markup).toBe('a\uFFFD\uFFFDb\n');
  });
});

describe('scaleOf', () => {
  it('places values and ticks at round numbers', () => {
    const scale = scaleOf([0, 0.3, 1], {range: [100, 200]});
    expect([0, 0.5, 1].map(scale)).toEqual([100, 150, 200]);
    expect(scale.ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(scaleOf([-3, 7], {range: [0, 1]}).ticks).toEqual([-2, 0, 2, 4, 6]);
  });

  it('has powers of ten where it is logarithmic', () => {
    const scale = scaleOf([0.01, 100, 0, -1], {range: [0, 4], log: true});
    expect([0.01, 1, 100].map(scale)).toEqual([0, 2, 4]);
    expect(scale.ticks).toEqual([0.01, 0.1, 1, 10, 100]);
    expect(scaleOf([2, 7], {range: [0, 1], log: true}).ticks).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('takes one value, equal values, and none', () => {
    expect(scaleOf([5], {range: [0, 10]})(5)).toBe(5);
    expect(scaleOf([0, 0], {range: [0, 10]})(0)).toBe(5);
    expect(scaleOf([NaN], {range: [0, 10]}).ticks.length).toBeGreaterThan(1);
  });
});

it('numeral writes numbers as people read them', () => {
  const numbers = [0, 0.5, 12.3456, 9999, 12_345, 2.5e9, 1e-5, 1.234e-7, -3.5, NaN];
  expect(numbers.map(numeral)).toEqual([
    '0',
    '0.5',
    '12.35',
    '9999',
    '12.35 k',
    '2.5 G',
    '1e-5',
    '1.23e-7',
    '-3.5',
    '–',
  ]);
});

describe('lineChart', () => {
  const chart = (points: {x: number; y: number; low?: number; high?: number}[]) =>
    lineChart({xLabel: 'x', yLabel: 'y', series: [{name: 'a', points}]}).markup;

  it('draws a line through all points, with its error bars', () => {
    const markup = chart([
      {x: 0, y: 0},
      {x: 1, y: 1, low: 0.5, high: 2},
      {x: 2, y: 0},
    ]);
    expect(/<path d="(M[^"]*)"/.exec(markup)![1]).toBe('M70 256L269 134L468 256');
    expect(markup).toMatch(/class="error"\s+x1="269"\s+x2="269"\s+y1="195"\s+y2="12"/);
  });

  it('leaves gaps where a value is no finite number', () => {
    const markup = chart([
      {x: 0, y: 0},
      {x: 1, y: NaN},
      {x: 2, y: 1},
      {x: 3, y: 1},
    ]);
    expect(/<path d="(M[^"]*)"/.exec(markup)![1]).toMatch(/^M[\d. ]+M[\d. ]+L[\d. ]+$/);
    expect(markup).not.toContain('NaN');
  });
});

it('heatmap fills cells by their value, and leaves out what is none', () => {
  const values = [
    [0, 0.5],
    [1, NaN],
  ];
  const {markup} = heatmap({
    xLabel: 'x',
    yLabel: 'z',
    columns: ['a', 'b'],
    rows: ['r', 's'],
    values,
    from: 0,
    to: 1,
  });
  const opacities = [...markup.matchAll(/fill-opacity="([\d.]+)"/g)].map((match) => match[1]);
  expect(opacities).toEqual(['0.000', '0.500', '1.000']);
});

it('page is one document that asks for nothing else', () => {
  const numbers = {columns: ['<i>'], rows: [['<b>', 1.5, null]]};
  const picture = lineChart({xLabel: 'x', yLabel: 'y', series: []});
  const figures = [{title: '<img src=x>', caption: '&', picture, numbers}];
  const text = page({title: '</title><script>', subtitle: '', summary: numbers, figures});
  expect(text).toMatch(/^<!doctype html>/);
  expect(text).toContain(`default-src 'none'`);
  expect(text).not.toMatch(/<script|<img|<i>|<b>|<link|@import|url\(|https?:/);
  expect(text).toContain('&lt;img src=x&gt;');
  expect(table(numbers).markup).toMatch(/<td class="number">1\.5<\/td>/);
});

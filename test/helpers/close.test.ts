import {describe, expect, it} from 'vitest';
import {expectClose, expectNormClose} from './close.js';

const values = [0.5, -1, 2, 3.25];
const wrong = {
  zeroed: [0, 0, 0, 0],
  shuffled: [-1, 0.5, 3.25, 2],
  'NaN at the end': [0.5, -1, 2, NaN],
  'NaN at the start': [NaN, -1, 2, 3.25],
  infinite: [0.5, -1, Infinity, 3.25],
  shorter: [0.5, -1, 2],
};

describe('the numeric helpers', () => {
  it('accept what is within the bound', () => {
    const near = values.map((value) => value + 1e-6);
    expectClose(near, values, 1e-5);
    expectNormClose(near, values, 1e-5, 0);
  });

  it.each(Object.entries(wrong))('reject %s values', (_, array) => {
    expect(() => expectClose(array, values, 1e-4)).toThrow();
    expect(() => expectNormClose(array, values, 1e-4, 1e-6)).toThrow();
  });
});

import {describe, expect, it} from 'vitest';
import {bytes, count, duration, flops, plural, ratio} from '../../src/ui/format.js';

describe('numbers', () => {
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
});

import {describe, expect, it} from 'vitest';
import {facts, table} from '../../src/ui/table.js';

describe('a table', () => {
  it('is aligned with spaces alone', () => {
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

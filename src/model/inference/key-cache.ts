import {RowPool, type Columns} from '../../ops/index.js';
import {qkvWidths} from '../architecture.js';
import type {ModelConfig} from '../config.js';
import {slots} from '../layout.js';

/** The keys and values of tokens, slot by slot, to be added to and never changed. */
export class KeyCache {
  private readonly pools: {keys: RowPool; values: RowPool}[];

  constructor({arch, arrangement}: ModelConfig) {
    const {k, v} = qkvWidths(arch);
    this.pools = slots(arrangement).map(() => ({keys: new RowPool(k), values: new RowPool(v)}));
  }

  /** Bytes of memory that it holds. */
  get bytes(): number {
    return this.pools.reduce((sum, {keys, values}) => sum + keys.bytes + values.bytes, 0);
  }

  /** Adds rows to a slot's keys and values. @returns the place of the first */
  append(slot: number, keys: Columns, values: Columns): number {
    const pools = this.pools[slot]!;
    pools.values.append(values);
    return pools.keys.append(keys);
  }

  /** A slot's keys and values, until rows are added to it. */
  columns(slot: number): {k: Columns; v: Columns} {
    const {keys, values} = this.pools[slot]!;
    return {k: {rows: keys.rows, at: 0}, v: {rows: values.rows, at: 0}};
  }

  dispose(): void {
    for (const {keys, values} of this.pools) {
      keys.dispose();
      values.dispose();
    }
  }
}

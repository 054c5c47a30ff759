import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {StrandView} from '../../contract.js';
import type {Info} from './program.js';

interface Strand {
  firstQuery: number;
  queries: number;
  /** First row, count. */
  ranges: [number, number][];
  keys: number;
}

function strandsOf({strands, ranges}: StrandView): Strand[] {
  const found: Strand[] = [];
  let [firstQuery, range] = [0, 0];
  for (let i = 0; i < strands.length; i += 2) {
    const [queries, count] = [strands[i]!, strands[i + 1]!];
    const own = Array.from({length: count}, (_, j): [number, number] => [
      ranges[2 * (range + j)]!,
      ranges[2 * (range + j) + 1]!,
    ]);
    found.push({firstQuery, queries, ranges: own, keys: own.reduce((sum, [, keys]) => sum + keys, 0)});
    firstQuery += queries;
    range += count;
  }
  return found;
}

/** The most queries of a strand. */
export const mostQueries = ({strands}: StrandView): number =>
  strands.reduce((most, queries, i) => (i % 2 === 0 ? Math.max(most, queries) : most), 0);

/** Logits of all strands: [queries, heads, keys] one after another. */
export const logitCount = (attributes: StrandView): number =>
  strandsOf(attributes).reduce((sum, {queries, keys}) => sum + queries * attributes.heads * keys, 0);

/** Numbers of a tile in a plan. */
export const TILE_NUMBERS = 6;

/** What workgroups do, for shaders: integers, and where their parts begin. */
export interface StrandPlan {
  /**
   * Of each tile: its first query, queries, where its strand's key rows begin in the plan, how many keys its queries
   * see, where its first query's logits begin, and its strand's keys. Then what each query sees, the row of its
   * result, or -1 for none, and the rows of keys.
   */
  plan: Info;
  tiles: number;
  whole: {seenAt: number; rowAt: number};
}

/**
 * Cuts strands into tiles of queries.
 * @param kept - for each query, whether there is a result of it; a strand without one is left out. All unless given.
 */
export function planOf(
  backend: WebGPUBackend,
  attributes: StrandView,
  rows: number,
  kept?: Int32Array,
): StrandPlan {
  const {heads, seen} = attributes;
  const tiles: number[][] = [];
  const keyRows: number[] = [];
  let logits = 0;
  for (const {firstQuery, queries, ranges, keys} of strandsOf(attributes)) {
    const keyAt = keyRows.length;
    const used = !kept || kept.subarray(firstQuery, firstQuery + queries).some((keep) => keep === 1);
    if (used) for (const [start, count] of ranges) for (let i = 0; i < count; i++) keyRows.push(start + i);
    for (let at = 0; used && at < queries; at += rows) {
      const count = Math.min(rows, queries - at);
      const first = firstQuery + at;
      const most = seen.subarray(first, first + count).reduce((a, b) => Math.max(a, b), 0);
      tiles.push([first, count, keyAt, most, logits + at * heads * keys, keys]);
    }
    logits += queries * heads * keys;
  }
  let results = 0;
  const resultRows = kept ? kept.map((keep) => (keep ? results++ : -1)) : seen.map((_, i) => i);
  const seenAt = tiles.length * TILE_NUMBERS;
  const rowAt = seenAt + seen.length;
  const keysAt = rowAt + resultRows.length;
  for (const tile of tiles) tile[2]! += keysAt;
  const numbers = new Int32Array(keysAt + keyRows.length);
  numbers.set(tiles.flat());
  numbers.set(seen, seenAt);
  numbers.set(resultRows, rowAt);
  numbers.set(keyRows, keysAt);
  return {
    plan: backend.makeTensorInfo([numbers.length], 'int32', numbers),
    tiles: tiles.length,
    whole: {seenAt, rowAt},
  };
}

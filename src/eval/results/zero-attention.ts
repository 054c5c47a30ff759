import {hasZeroTokens, type Model} from '../../model/index.js';
import type {PreparedTask} from '../scoring/score-task.js';

/** Zero attention by slot and token: means over heads and some rows. */
export interface ZeroAttentionMap {
  /** Rows that were looked at. */
  rows: number;
  /** [slots][tokens], the first tokens of a row; null where no row has so many. */
  by_token: (number | null)[][];
}

const ROWS = 16;
const TOKENS = 64;

/**
 * The zero attention of a model at full depth on the first tokens of some questions, from all over the tasks; null
 * for a layout without zero tokens.
 */
export async function zeroAttentionMap(
  model: Pick<Model, 'config' | 'logitsBatch'>,
  prepared: readonly PreparedTask[],
): Promise<ZeroAttentionMap | null> {
  const {arrangement, arch} = model.config;
  const all = prepared.flatMap(({requests}) => requests.flatMap(({rows}) => rows.slice(0, 1)));
  if (!hasZeroTokens(arrangement.layout) || all.length === 0) return null;
  const step = Math.max(1, all.length / ROWS);
  const chosen = Array.from({length: Math.min(ROWS, all.length)}, (_, i) => all[Math.floor(i * step)]!);
  const ids = chosen.map((row) => row.ids.slice(0, Math.min(TOKENS, row.ids.length - 1)));
  const results = await model.logitsBatch(ids, {threshold: 1});
  const slots = results[0]!.slots.length;
  const longest = Math.max(...ids.map(({length}) => length));
  const H = arch.heads;
  const byToken = Array.from({length: slots}, (_, slot) =>
    Array.from({length: longest}, (_, token) => {
      let [sum, values] = [0, 0];
      for (const {shape, zeroAttention} of results) {
        const T = shape[1];
        if (token >= T) continue;
        for (let head = 0; head < H; head++) sum += zeroAttention![(slot * H + head) * T + token]!;
        values += H;
      }
      return values === 0 ? null : sum / values;
    }),
  );
  return {rows: ids.length, by_token: byToken};
}

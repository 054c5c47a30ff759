import {UsageError} from '../../errors.js';
import {exitRule} from '../exits/rule.js';
import {ExitsPass} from './exits-pass.js';
import {rowFlops} from '../flops.js';
import type {ExitsOptions, RowScore, ScoreOptions, ScoreRow} from '../forward.js';
import {scorePredictions, type Prediction} from '../lm-head.js';
import type {Network} from '../network.js';
import type {PassResult, StrandDepth} from './pass.js';
import {runPass} from './run-pass.js';
import {contextsOf} from './rows.js';
import {startsOf, type Strand} from './strands.js';

// Shapes: N rows of states (the tokens of all rows that are their own), D width, H heads.

/** Rows that are to be scored, and what of them is run. */
export interface ScoredRows {
  rows: readonly ScoreRow[];
  /** As `strandsOf` gives them. */
  strands: readonly Strand[];
}

/** Scores the ends of rows; see `Model.score`, which has checked their ids. */
export async function scoreRows(
  network: Network,
  {rows, strands}: ScoredRows,
  options: ScoreOptions,
): Promise<RowScore[]> {
  const rule = exitRule(network.config, options);
  const result = await runPass(network, strands, {rule, keepZeroAttention: options.exitScores ?? false});
  try {
    return await scoresOf(network, rows, strands, result, rule.depth);
  } finally {
    result.hidden.dispose();
  }
}

/** What rows score where they all exit at one place. */
export interface ExitScores {
  /** The slot before which they exit; null for full depth. */
  slot: number | null;
  scores: RowScore[];
}

/** Scores the ends of rows at every exit that there could be; see `Model.scoreExits`. */
export async function scoreExits(
  network: Network,
  {rows, strands}: ScoredRows,
  options: ExitsOptions,
): Promise<ExitScores[]> {
  const rule = exitRule(network.config, {...options, threshold: 1});
  const depth = rule.depth;
  const exits: ExitScores[] = [];
  const pass = new ExitsPass(network, strands, {rule, keepZeroAttention: true}, async (slot, result) => {
    exits.push({slot, scores: await scoresOf(network, rows, strands, result, depth)});
  });
  const result = await pass.run();
  exits.push({slot: null, scores: await scoresOf(network, rows, strands, result, depth)});
  result.hidden.dispose();
  return exits;
}

/**
 * The tokens that rows read (all but the last, which is predicted), those that are shared once.
 * @throws UsageError for a row that cannot share what it says, or has nothing to score
 */
export function strandsOf(rows: readonly ScoreRow[]): Strand[] {
  let lead = -1;
  return rows.map(({ids, from, shared = 0}, i) => {
    if (!(Number.isInteger(from) && from >= 1 && from < ids.length)) {
      throw new UsageError(`row ${i}: tokens from ${from} of ${ids.length} cannot be scored.`);
    }
    if (shared === 0) lead = i;
    checkShared(rows, i, lead, shared);
    const [contextLength] = contextsOf([ids.length - 1], rows[i]!.contextLength);
    return {ids: ids.slice(shared, -1), lead, shared, contextLength: contextLength!};
  });
}

function checkShared(rows: readonly ScoreRow[], i: number, lead: number, shared: number): void {
  if (shared === 0) return;
  const {ids, contextLength} = rows[i]!;
  const first = rows[lead];
  const most = Math.min(ids.length, first?.ids.length ?? 0) - 1;
  if (!first || !(Number.isInteger(shared) && shared >= 1 && shared <= most)) {
    throw new UsageError(`row ${i}: it cannot share ${shared} tokens with a row before it; at most ${most}.`);
  }
  const other = ids.slice(0, shared).findIndex((id, k) => id !== first.ids[k]);
  if (other >= 0)
    throw new UsageError(`row ${i}: token ${other} is not that of row ${lead}, with which it is shared.`);
  if (contextLength !== first.contextLength || contextLength > shared) {
    throw new UsageError(
      `row ${i}: contextLength is ${contextLength}; it must be that of row ${lead}, ${first.contextLength}, and at most the ${shared} tokens that they share.`,
    );
  }
}

/** Scores rows from the states of their strands. @param depth - slots that run for a token that does not exit */
export async function scoresOf(
  network: Network,
  rows: readonly ScoreRow[],
  strands: readonly Strand[],
  {hidden, depths, granularity}: PassResult,
  depth: number,
): Promise<RowScore[]> {
  const starts = startsOf(
    strands,
    strands.map((_, i) => i),
  );
  // The state after token `position` of a row may be its lead's.
  const stateAt = (i: number, position: number) => {
    const {lead, shared} = strands[i]!;
    return position < shared ? starts.get(lead)! + position : starts.get(i)! + position - shared;
  };
  const predictions = rows.map(({ids, from}, i) =>
    ids.slice(from).map((target, k): Prediction => ({row: stateAt(i, from + k - 1), target})),
  );
  const {logProbs, greedy} = await scorePredictions(network, hidden, predictions.flat());
  const {arch, arrangement} = network.config;
  const counted = new Set<number>();
  let done = 0;
  return rows.map((_, i) => {
    const {ids, lead, shared, contextLength} = strands[i]!;
    const [own, first] = [depths[i]!, depths[lead]!];
    const span = [done, (done += predictions[i]!.length)] as const;
    const before = counted.size;
    for (const {row} of predictions[i]!) counted.add(row);
    const cost = {tokens: ids.length, before: shared, scored: counted.size - before};
    const slotsPerToken = Int32Array.from([...first.slotsPerToken.subarray(0, shared), ...own.slotsPerToken]);
    const ran = own.slots.length;
    const exited = own.exit !== null;
    return {
      logProbabilities: logProbs.slice(...span),
      greedy: greedy.slice(...span),
      slots: granularity === 'token' ? mean(slotsPerToken) : ran,
      slotsPerToken,
      exited: granularity === 'token' ? slotsPerToken.some((slots) => slots < depth) : exited,
      exitScores: own.exitScores,
      tokenScores: own.tokenScores,
      zeroAttention: contextMeans(first, arch.heads, contextLength),
      flops: rowFlops(
        arch,
        arrangement,
        granularity === 'token'
          ? {...cost, slotsPerToken: own.slotsPerToken, depth}
          : {...cost, slots: ran, exited},
      ),
    };
  });
}

const mean = (values: Int32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** For each slot, the mean zero attention over heads and the first tokens. */
function contextMeans({zeroAttention}: StrandDepth, H: number, context: number): number[] {
  return zeroAttention.map(
    (z) => z.subarray(0, context * H).reduce((sum, value) => sum + value, 0) / (context * H),
  );
}

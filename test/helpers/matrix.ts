/** Whether every case is tested with every variant on every engine: `npm run test:full` asks for it. */
export const FULL = process.env.ZTT_TEST_FULL === '1';

/** A case, and the variants of it that are tested. */
export interface Cell<C, V> {
  case: C;
  variants: V[];
}

export interface CoverOptions {
  /** The variant that the first case begins with: where several engines are tested, each has a number of its own. */
  shift?: number;
  /** Whether all variants of all cases are tested; by default `FULL`. */
  full?: boolean;
}

/** How often each variant is tested at least. */
const TIMES = 2;

/**
 * Chooses which variants each case is tested with, always the same ones: every case has one at least, and every variant
 * is in two cases at least. With other shifts a case has other variants, so that several engines test most pairs.
 */
export function cover<C, V>(
  cases: readonly C[],
  variants: readonly V[],
  {shift = 0, full = FULL}: CoverOptions = {},
): Cell<C, V>[] {
  if (full) return cases.map((each) => ({case: each, variants: [...variants]}));
  const cells = cases.map((each): Cell<C, V> => ({case: each, variants: []}));
  const uses = new Map(variants.map((variant) => [variant, 0]));
  const enough = Math.min(TIMES, cases.length);
  for (let turn = 0; turn < cells.length || Math.min(...uses.values()) < enough; turn++) {
    const {variants: chosen} = cells[turn % cells.length]!;
    const start = (turn + shift) % variants.length;
    const others = [...variants.slice(start), ...variants.slice(0, start)].filter(
      (variant) => !chosen.includes(variant),
    );
    const next = others.sort((a, b) => uses.get(a)! - uses.get(b)!)[0];
    if (next === undefined) continue;
    chosen.push(next);
    uses.set(next, uses.get(next)! + 1);
  }
  return cells;
}

/** What only the full run tests. */
export const onlyInFull = <T>(...cases: T[]): T[] => (FULL ? cases : []);

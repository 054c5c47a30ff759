import {UsageError} from '../../errors.js';
import {
  checkArrangement,
  hasHeadAndTail,
  type Arrangement,
  type Layout,
  type Share,
} from '../../model/index.js';
import {withDefaults} from '../../options/index.js';
import {LAYOUT_OPTIONS} from '../options.js';

/** What a user may say about the layout; the rest is filled in by `arrange`. */
export interface ArrangeOptions {
  layout?: Layout;
  /** Default: as many as keep the executed depth where `middleLayers` makes fewer layers, else 2; 1 for vanilla. */
  cycles?: number;
  /** Head and tail layers of htc and ztt; default 1 each. */
  head?: number;
  tail?: number;
  /** K: middle layers to keep of the source's m; default all. */
  middleLayers?: number;
  /** How K are made of m; default `keep`, or `stepwise` where K < m. */
  share?: Share;
}

/**
 * The arrangement of a source's layers that the options ask for.
 * @throws UsageError naming the option that cannot be
 */
export function arrange(
  sourceLayers: number,
  options: ArrangeOptions,
): {arrangement: Arrangement; share: Share} {
  const {layout} = withDefaults(LAYOUT_OPTIONS, options);
  const ends = hasHeadAndTail(layout) ? 1 : 0;
  const {head = ends, tail = ends} = options;
  const whole: Arrangement = {
    layout,
    head,
    tail,
    cycles: options.cycles ?? (layout === 'vanilla' ? 1 : 2),
    middleSources: [],
    sourceLayers,
  };
  checkArrangement(whole);
  const m = sourceLayers - head - tail;
  const K = options.middleLayers ?? m;
  if (!(Number.isInteger(K) && K >= 1 && K <= m)) {
    throw new UsageError(
      `middle-layers is ${K}; it must be a whole number from 1 to the model's ${m} middle layers.`,
    );
  }
  if (K < m && layout === 'vanilla') {
    throw new UsageError('layout vanilla keeps every layer; middle-layers needs bc, htc or ztt.');
  }
  if (K < m && options.share === 'keep') {
    throw new UsageError(
      `share keep keeps all ${m} middle layers; for middle-layers ${K} choose first, last, stepwise or average.`,
    );
  }
  // With K = m every initialiser gives each place its own layer.
  const share = K === m ? 'keep' : (options.share ?? 'stepwise');
  const arrangement = {
    ...whole,
    cycles: options.cycles ?? (K < m ? Math.ceil(m / K) : whole.cycles),
    middleSources: middleSources(m, K, share).map((layers) => layers.map((layer) => head + layer)),
  };
  checkArrangement(arrangement);
  return {arrangement, share};
}

/**
 * Which of m middle layers (0-based) serve at each of K places: `first` j; `last` m - K + j; `stepwise`
 * round(j (m - 1) / (K - 1)), 0 for K = 1, halves up; `average` all i with i mod K = j.
 */
export function middleSources(m: number, K: number, share: Share): number[][] {
  const layersAt: Record<Share, (j: number) => number[]> = {
    keep: (j) => [j],
    first: (j) => [j],
    last: (j) => [m - K + j],
    stepwise: (j) => [K === 1 ? 0 : Math.round((j * (m - 1)) / (K - 1))],
    average: (j) => Array.from({length: m}, (_, i) => i).filter((i) => i % K === j),
  };
  return Array.from({length: K}, (_, j) => layersAt[share](j));
}

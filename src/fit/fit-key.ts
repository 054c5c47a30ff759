import {minimise} from './minimise.js';

// Shapes: N tokens, d head size, R rows.

/** What one head's zero attention shall say of some tokens. */
export interface KeyTargets {
  /** The queries that meet the zero key, [N, d]. */
  queries: Float32Array;
  /** For each token, log sum exp of its logits with all other keys, [N]. */
  others: Float32Array;
  /** What its zero attention shall be, from 0 to 1, [N]. */
  targets: Float32Array;
  /** What the token counts, 0 or more, [N]. */
  weights: Float32Array;
}

/** What a query's product with the key is multiplied by, and how much long keys cost. */
export interface KeyFitOptions {
  /** 1 / sqrt(d) in most models. */
  scale: number;
  /** What half the key's squared length costs, per unit of weight. */
  ridge: number;
}

/**
 * The zero key k [d] whose zero attention z = sigmoid(scale q k - others) has the least weighted binary cross-entropy
 * with the targets. The problem is convex: the answer is the only one.
 * @param start - [d], where the search begins
 */
export function fitKey(data: KeyTargets, options: KeyFitOptions, start: Float64Array): Float64Array {
  const {queries, targets, weights} = data;
  const {scale, ridge} = options;
  const [N, d] = [targets.length, start.length];
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) return Float64Array.from(start);
  return minimise((key, gradient) => {
    gradient.fill(0);
    let value = 0;
    for (let token = 0; token < N; token++) {
      const weight = weights[token]!;
      if (weight === 0) continue;
      const logit = zeroLogit(data, scale, key, token);
      const y = targets[token]!;
      value += weight * (softplus(logit) - y * logit);
      const slope = weight * scale * (sigmoid(logit) - y);
      for (let i = 0; i < d; i++) gradient[i]! += slope * queries[token * d + i]!;
    }
    let squared = 0;
    for (let i = 0; i < d; i++) {
      squared += key[i]! * key[i]!;
      gradient[i] = gradient[i]! / total + ridge * key[i]!;
    }
    return value / total + (ridge * squared) / 2;
  }, start);
}

/** Each token's zero attention with a key [d]: [N]. */
export function zeroAttention(
  data: Pick<KeyTargets, 'queries' | 'others'>,
  scale: number,
  key: Float64Array,
): Float64Array {
  const {length: N} = data.others;
  return Float64Array.from({length: N}, (_, token) => sigmoid(zeroLogit(data, scale, key, token)));
}

/** The logit of a token's zero attention: of the zero token against all other keys. */
function zeroLogit(
  {queries, others}: Pick<KeyTargets, 'queries' | 'others'>,
  scale: number,
  key: Float64Array,
  token: number,
): number {
  const at = token * key.length;
  let product = 0;
  for (let i = 0; i < key.length; i++) product += queries[at + i]! * key[i]!;
  return scale * product - others[token]!;
}

/** log(1 + e^x), finite for every x. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

import type {BlockExits} from './block-exits.js';

const STEPS = 600;
/** Of Adam, on the logits of thresholds. */
const LEARNING_RATE = 0.1;
/** How soft an exit is, in units of the score: from all but undecided to all but a step. */
const SOFTEST = 0.1;
const HARDEST = 0.005;

/**
 * Thresholds, one an exit, that are trained on sequences rather than chosen: they minimise the mean of
 * loss + penalty x compute, where an exit with score z and threshold t is taken with probability
 * sigmoid((z - t) / T), T falling as training goes on. Loss is in nats a token, compute in multiples of the source's.
 * @param penalty - nats a token that compute of one source is worth
 */
export function learnThresholds(blocks: readonly BlockExits[], penalty: number): number[] {
  const examples = blocks
    .filter(({outcomes}) => outcomes[0]!.item.weight > 0)
    .map(({scores, outcomes}) => ({
      scores,
      costs: outcomes.map(
        ({item, cost}) => item.value / item.weight + (penalty * cost.flops) / cost.sourceFlops,
      ),
    }));
  const exits = examples[0]?.scores.length ?? 0;
  const logits = new Float64Array(exits);
  const momentum = new Float64Array(exits);
  const squares = new Float64Array(exits);
  for (let step = 1; step <= STEPS; step++) {
    const softness = SOFTEST * (HARDEST / SOFTEST) ** (step / STEPS);
    const gradient = new Float64Array(exits);
    for (const example of examples) {
      addGradient(gradient, example, [...logits].map(sigmoid), softness, 1 / examples.length);
    }
    for (let exit = 0; exit < exits; exit++) {
      const threshold = sigmoid(logits[exit]!);
      const slope = gradient[exit]! * threshold * (1 - threshold);
      momentum[exit] = 0.9 * momentum[exit]! + 0.1 * slope;
      squares[exit] = 0.999 * squares[exit]! + 0.001 * slope ** 2;
      const scale = Math.sqrt(squares[exit]! / (1 - 0.999 ** step)) + 1e-12;
      logits[exit]! -= (LEARNING_RATE * momentum[exit]!) / (1 - 0.9 ** step) / scale;
    }
  }
  return [...logits].map(sigmoid);
}

/**
 * Adds the gradient of an example's expected cost by the thresholds. With s_e the chance to leave at exit e and R_e the
 * expected cost from there on, R_e = s_e C_e + (1 - s_e) R_(e+1), so dR_0 / ds_e is the chance to get there times
 * C_e - R_(e+1).
 */
function addGradient(
  gradient: Float64Array,
  {scores, costs}: {scores: readonly number[]; costs: readonly number[]},
  thresholds: readonly number[],
  softness: number,
  weight: number,
): void {
  const leaving = scores.map((score, exit) => sigmoid((score - thresholds[exit]!) / softness));
  const onwards = [...costs];
  for (let exit = scores.length - 1; exit >= 0; exit--) {
    onwards[exit] = leaving[exit]! * costs[exit]! + (1 - leaving[exit]!) * onwards[exit + 1]!;
  }
  let arriving = weight;
  for (const [exit, s] of leaving.entries()) {
    gradient[exit]! -= (arriving * (costs[exit]! - onwards[exit + 1]!) * s * (1 - s)) / softness;
    arriving *= 1 - s;
  }
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

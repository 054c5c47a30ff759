/** A function's value at x; it writes its gradient into the second argument. */
export type Differentiable = (x: Float64Array, gradient: Float64Array) => number;

/** Pairs of steps and gradient changes that are kept. */
const MEMORY = 10;
/** The share of the fall promised by the slope that a step must give (Armijo). */
const SUFFICIENT = 1e-4;
/** Halvings of a step before the search gives up. */
const HALVINGS = 40;

/**
 * The minimum of a smooth convex function, by L-BFGS with backtracking (Nocedal and Wright, Numerical Optimization,
 * algorithms 7.4 and 3.1). The same start gives the same bits.
 * @param start - where the search begins; it stays as it is
 * @param tolerance - the search ends where the gradient's norm is at most this share of its first one
 * @returns the best x that was found
 */
export function minimise(
  f: Differentiable,
  start: Float64Array,
  {iterations = 200, tolerance = 1e-5}: {iterations?: number; tolerance?: number} = {},
): Float64Array {
  let x = Float64Array.from(start);
  let gradient = new Float64Array(x.length);
  let value = f(x, gradient);
  const enough = tolerance * Math.sqrt(dot(gradient, gradient));
  const pairs: {step: Float64Array; change: Float64Array; curvature: number}[] = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    if (Math.sqrt(dot(gradient, gradient)) <= enough) break;
    const direction = descent(gradient, pairs);
    const slope = dot(direction, gradient);
    // The first step has no curvature to go by: its length is 1 at most.
    let length = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(dot(gradient, gradient)));
    const next = new Float64Array(x.length);
    const nextGradient = new Float64Array(x.length);
    let nextValue = Infinity;
    for (let halving = 0; halving < HALVINGS; halving++, length /= 2) {
      for (let i = 0; i < x.length; i++) next[i] = x[i]! + length * direction[i]!;
      nextValue = f(next, nextGradient);
      if (nextValue <= value + SUFFICIENT * length * slope) break;
    }
    if (!(nextValue < value)) break;
    const step = next.map((each, i) => each - x[i]!);
    const change = nextGradient.map((each, i) => each - gradient[i]!);
    const curvature = dot(step, change);
    if (curvature > 0) pairs.push({step, change, curvature});
    if (pairs.length > MEMORY) pairs.shift();
    [x, gradient, value] = [next, nextGradient, nextValue];
  }
  return x;
}

/** The direction in which to step: minus the gradient, bent by the curvature that the last steps met. */
function descent(
  gradient: Float64Array,
  pairs: readonly {step: Float64Array; change: Float64Array; curvature: number}[],
): Float64Array {
  const direction = gradient.map((each) => -each);
  const shares: number[] = [];
  for (const {step, change, curvature} of [...pairs].reverse()) {
    const share = dot(step, direction) / curvature;
    shares.push(share);
    addTo(direction, change, -share);
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = last.curvature / dot(last.change, last.change);
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
  }
  for (const {step, change, curvature} of pairs) {
    addTo(direction, step, shares.pop()! - dot(change, direction) / curvature);
  }
  return direction;
}

function addTo(sum: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += factor * x[i]!;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Comparing numbers with explicit bounds. Unlike tfjs's `expectArraysClose`, NaN never passes, and neither does
 * an array of another length; test/helpers/close.test.ts shows that zeros, shuffles and NaN fail.
 */
type Numbers = ArrayLike<number>;

function requireSameLength(actual: Numbers, expected: Numbers): void {
  if (actual.length !== expected.length) {
    throw new Error(`${actual.length} values where ${expected.length} were expected`);
  }
}

/** Every |actual - expected| is at most `bound`. */
export function expectClose(actual: Numbers, expected: Numbers, bound: number, what = 'value'): void {
  requireSameLength(actual, expected);
  let worst = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) [worst, at] = [difference, i];
    if (Number.isNaN(difference)) break;
  }
  if (!(worst <= bound)) {
    throw new Error(
      `${what} ${at} is ${actual[at]}, expected ${expected[at]}: off by ${worst}, bound ${bound}`,
    );
  }
}

/** ||actual - expected|| <= relative ||expected|| + absolute, in the Euclidean norm. */
export function expectNormClose(
  actual: Numbers,
  expected: Numbers,
  relative: number,
  absolute: number,
  what = 'array',
): void {
  requireSameLength(actual, expected);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  const bound = relative * Math.sqrt(norm) + absolute;
  if (!(Math.sqrt(difference) <= bound)) {
    throw new Error(`${what}: ||difference|| is ${Math.sqrt(difference)}, bound ${bound}`);
  }
}

import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import type {RandomGenerator} from 'pure-rand/types/RandomGenerator';

/** A random generator that depends on these whole numbers and their order alone. */
export const seededBy = (...numbers: number[]): RandomGenerator =>
  xoroshiro128plus(numbers.reduce((mixed, n) => Math.imul(mixed, 1_000_003) + n));

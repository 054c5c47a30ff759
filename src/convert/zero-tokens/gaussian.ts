import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';

/** An endless source of normal values of mean 0, by Box and Muller's transform. The seed decides all of them. */
export function gaussian(std: number, seed: number): () => number {
  const random = xoroshiro128plus(seed);
  return () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniformFloat64(random)));
    return std * radius * Math.cos(2 * Math.PI * uniformFloat64(random));
  };
}

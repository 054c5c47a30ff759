/** Words of the generator's state, and the distance at which they are mixed. */
const N = 624;
const M = 397;

/** Python's `random.Random(seed)`: MT19937 (Matsumoto and Nishimura 1998), seeded by `init_by_array`. */
export class PythonRandom {
  private readonly state = new Uint32Array(N);
  private used = N;

  /** @param seed - a whole number from 0 to 2^53 - 1 */
  constructor(seed: number) {
    // The seed's 32-bit words, the lowest first.
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32);
    this.seedBy(high > 0 ? [low, high] : [low]);
  }

  /** The next double in [0, 1), of 53 random bits. */
  random(): number {
    const a = this.next() >>> 5;
    const b = this.next() >>> 6;
    return (a * 2 ** 26 + b) / 2 ** 53;
  }

  /** The index that `choices` would draw next from n values, all equally likely. */
  index(n: number): number {
    return Math.floor(this.random() * n);
  }

  private seedBy(key: number[]): void {
    const s = this.state;
    s[0] = 19650218;
    for (let i = 1; i < N; i++) s[i] = Math.imul(1812433253, s[i - 1]! ^ (s[i - 1]! >>> 30)) + i;
    let i = 1;
    const advance = () => {
      if (++i < N) return;
      s[0] = s[N - 1]!;
      i = 1;
    };
    const mixed = () => s[i - 1]! ^ (s[i - 1]! >>> 30);
    for (let k = 0; k < Math.max(N, key.length); k++) {
      const j = k % key.length;
      s[i] = (s[i]! ^ Math.imul(mixed(), 1664525)) + key[j]! + j;
      advance();
    }
    for (let k = 0; k < N - 1; k++) {
      s[i] = (s[i]! ^ Math.imul(mixed(), 1566083941)) - i;
      advance();
    }
    s[0] = 0x80000000;
  }

  private next(): number {
    if (this.used === N) this.refill();
    let y = this.state[this.used++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  private refill(): void {
    const s = this.state;
    for (let i = 0; i < N; i++) {
      const y = (s[i]! & 0x80000000) | (s[(i + 1) % N]! & 0x7fffffff);
      s[i] = s[(i + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.used = 0;
  }
}

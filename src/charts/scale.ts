/** From data to places: linear or logarithmic. */
export interface Scale {
  (value: number): number;
  /** Round values to label, rising. */
  ticks: number[];
}

export interface ScaleOptions {
  /** The places of the least and the greatest value. */
  range: readonly [number, number];
  log?: boolean;
  /** The approximate number of ticks. */
  ticks?: number;
}

/** A scale over finite values. One value alone stands in the middle; none is like 0 to 1. */
export function scaleOf(values: readonly number[], {range, log = false, ticks = 5}: ScaleOptions): Scale {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const forward = log ? Math.log10 : (value: number) => value;
  let [low, high] = usable.length > 0 ? extent(usable.map(forward)) : [0, 1];
  if (low === high) {
    const margin = Math.abs(low) * 0.1 || 0.5;
    [low, high] = [low - margin, high + margin];
  }
  const place = (value: number) => range[0] + ((forward(value) - low) / (high - low)) * (range[1] - range[0]);
  return Object.assign(place, {ticks: log ? powers(low, high, ticks) : roundTicks(low, high, ticks)});
}

/** The least and the greatest of some values, however many. */
function extent(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

/** Multiples of 1, 2 or 5 times a power of ten, in an interval. */
function roundTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // Through the decimal text, so that 3 * 0.1 is 0.3.
  return Array.from({length: last - first + 1}, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten between 10^low and 10^high; round values where there are fewer than two. */
function powers(low: number, high: number, count: number): number[] {
  const first = Math.ceil(low - 1e-9);
  const last = Math.floor(high + 1e-9);
  if (last - first < 1) return roundTicks(10 ** low, 10 ** high, count);
  const step = Math.ceil((last - first) / count);
  return Array.from({length: Math.floor((last - first) / step) + 1}, (_, i) => 10 ** (first + i * step));
}

const SUFFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** A number for people: at most four significant digits, thousands as k, M, G; very small ones as 1e-5. */
export function numeral(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, 'e');
  if (size < 10_000) return String(Number(value.toPrecision(4)));
  const group = Math.min(Math.floor(Math.log10(size) / 3), SUFFIXES.length - 1);
  return `${Number((value / 1000 ** group).toPrecision(4))} ${SUFFIXES[group]}`;
}

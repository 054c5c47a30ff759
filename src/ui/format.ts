/** A whole number with its thousands apart: `124,439,808`. */
export const count = (n: number): string => n.toLocaleString('en-US', {maximumFractionDigits: 0});

/** Three significant digits with a unit prefix: `1.23 M`. */
function scaled(n: number, units: readonly string[]): string {
  const steps = n < 1 ? 0 : Math.floor(Math.log10(n) / 3 + 1e-9);
  const unit = Math.min(steps, units.length - 1);
  const value = n / 1000 ** unit;
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `512 B`, `1.50 kB`, `3.25 GB`: powers of 1000, as the Hub shows sizes. */
export const bytes = (n: number): string => scaled(n, ['B', 'kB', 'MB', 'GB', 'TB']);

/** `12.3 MFLOPs`. */
export const flops = (n: number): string =>
  scaled(n, ['FLOPs', 'kFLOPs', 'MFLOPs', 'GFLOPs', 'TFLOPs', 'PFLOPs']);

/** `1.62x`. */
export const ratio = (n: number): string => `${n.toFixed(2)}x`;

/** `12 s`, `3 min 07 s`, `2 h 05 min`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pair = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pair(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pair(minutes % 60)} min`;
}

/** `1 layer`, `3 layers`. */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;

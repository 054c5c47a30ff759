import type {Option, RealRange} from './option.js';

/** The bounds of a number in words: `above 0 and at most 1`, or `from 0 to 1`. */
function boundsOf({above, from, max, below}: RealRange): string {
  if (from !== undefined && max !== undefined) return `from ${from} to ${max}`;
  return [
    above === undefined ? null : `above ${above}`,
    from === undefined ? null : `from ${from}`,
    max === undefined ? null : `at most ${max}`,
    below === undefined ? null : `below ${below}`,
  ]
    .filter((bound) => bound !== null)
    .join(' and ');
}

/** Whether a number keeps its bounds; NaN keeps none. */
export const fits = (value: number, range: RealRange): boolean =>
  value > (range.above ?? -Infinity) &&
  value >= (range.from ?? -Infinity) &&
  value <= (range.max ?? Infinity) &&
  value < (range.below ?? Infinity) &&
  Number.isFinite(value);

/** What an option's values must be, as it follows `it must be`. */
export function requirement(option: Option): string {
  switch (option.kind) {
    case 'whole':
      return `a whole number from ${option.min} to ${option.max}${option.auto ? ', or auto' : ''}`;
    case 'real': {
      const bounds = boundsOf(option);
      return `a number${bounds && ` ${bounds}`}${option.hint ? ` (${option.hint})` : ''}`;
    }
    case 'choice':
      return `one of ${option.choices.join(', ')}`;
    case 'switch':
      return 'true or false';
    case 'text':
      return 'some text';
    case 'bytes':
      return 'a size such as 5GB, 500MB or 512MiB';
    case 'points':
      return 'points, as 1pt, or a share from 0 and below 1';
    case 'slot threshold':
      return 'a slot and its threshold, as 9=0.3, above 0 and at most 1 (1 never exits)';
  }
}

/** An option's default in words, or null for none. */
export function defaultOf({default: value, otherwise}: Option): string | null {
  if (otherwise !== undefined) return otherwise;
  if (value === undefined || typeof value === 'boolean') return null;
  return Array.isArray(value) ? value.map(shown).join() : shown(value as number | string);
}

/** Small numbers are written as 1e-4. */
const shown = (value: number | string): string =>
  typeof value === 'number' && value > 0 && value < 1e-3 ? value.toExponential() : String(value);

/** An option's help: its line with the default behind it, and what else there is to say. */
export function helpOf(option: Option): string {
  const value = defaultOf(option);
  const line =
    value === null ? option.help : `${option.help}; ${value}${value.includes(', ') ? ',' : ''} unless given`;
  return [`${line}.`, ...(option.more ? [option.more] : [])].join(' ');
}

/** The name of an option's value in help, or null where the kind says enough. */
export function placeholderOf(option: Option): string | null {
  if (option.placeholder !== undefined) return option.placeholder;
  switch (option.kind) {
    case 'whole':
      return option.auto ? 'N|auto' : 'N';
    case 'real':
      return 'X';
    case 'bytes':
      return 'SIZE';
    case 'points':
      return '1pt';
    case 'slot threshold':
      return 'SLOT=P';
    default:
      return null;
  }
}

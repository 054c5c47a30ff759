import {UsageError} from '../errors.js';
import {todaysWord, type Option} from './option.js';
import {fits, requirement} from './words.js';

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/**
 * Reads one value of an option as the command line has it.
 * @param subject - what the message calls the option: `--steps`
 * @returns a number, a word, true or false, or a slot and its threshold, as the option's kind has it
 * @throws UsageError naming the option, its value and what it must be
 */
export function parseValue(subject: string, option: Option, text: string): unknown {
  if (option.kind === 'text') {
    if (text === '') throw new UsageError(`${subject} is empty; give it a value.`);
    return text;
  }
  const value = read(option, text);
  if (value === undefined) {
    // oclif words the refusal of a choice without quotes.
    const given = option.kind === 'choice' ? text : JSON.stringify(text);
    throw new UsageError(`${subject} is ${given}; it must be ${requirement(option)}.`);
  }
  return value;
}

/**
 * The thresholds of slots, by slot.
 * @param subject - what the message calls the option
 * @throws UsageError for a slot with two
 */
export function thresholdsBySlot(
  subject: string,
  pairs: readonly (readonly [slot: number, threshold: number])[],
): Record<number, number> {
  const twice = pairs.find(([slot], i) => pairs.findIndex(([other]) => other === slot) < i);
  if (twice) throw new UsageError(`${subject} gives slot ${twice[0]} twice; leave one out.`);
  return Object.fromEntries(pairs);
}

/** The value, or undefined where the text is none. */
function read(option: Exclude<Option, {kind: 'text'}>, text: string): unknown {
  switch (option.kind) {
    case 'whole': {
      if (option.auto && text === 'auto') return text;
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
      return value >= option.min && value <= option.max ? value : undefined;
    }
    case 'real': {
      const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
      return fits(value, option) ? value : undefined;
    }
    case 'choice':
      return option.choices.includes(text) ? text : todaysWord(option, text);
    case 'switch':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'bytes': {
      const [, number, unit] = /^(\d+\.?\d*|\.\d+) ?([a-z]*)$/i.exec(text) ?? [];
      const bytes = Math.floor(Number(number) * (UNITS[(unit || 'B').toUpperCase()] ?? NaN));
      return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
    }
    case 'points': {
      const [, digits, points] = /^(\d+\.?\d*|\.\d+) ?(pt|%)?$/.exec(text) ?? [];
      const drop = Number(digits) / (points ? 100 : 1);
      return drop >= 0 && drop < 1 ? drop : undefined;
    }
    case 'slot threshold': {
      const [, slot, threshold] = /^(\d{1,9})=(\d+\.?\d*|\.\d+)$/.exec(text) ?? [];
      const value = Number(threshold);
      return value > 0 && value <= 1 ? [Number(slot), value] : undefined;
    }
  }
}

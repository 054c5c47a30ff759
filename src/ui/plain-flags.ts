import {Flags} from '@oclif/core';
import {UsageError} from '../errors.js';

type WholeRange = {min: number; max: number};

const parseWhole = (input: string, {name, min, max}: WholeRange & {name: string}, or = ''): number => {
  const value = Number(input);
  if (!/^[+-]?\d+$/.test(input) || value < min || value > max) {
    throw new UsageError(
      `--${name} is ${JSON.stringify(input)}; it must be a whole number from ${min} to ${max}${or}.`,
    );
  }
  return value;
};

/** A flag that takes a whole number in a range. */
export const wholeNumber = Flags.custom<number, WholeRange>({
  helpValue: 'N',
  parse: (input, _context, options) => Promise.resolve(parseWhole(input, options)),
});

/** A flag that takes a whole number in a range, or `auto`. */
export const wholeNumberOrAuto = Flags.custom<number | 'auto', WholeRange>({
  helpValue: 'N|auto',
  parse: (input, _context, options) =>
    Promise.resolve(input === 'auto' ? input : parseWhole(input, options, ', or auto')),
});

/** Bounds of a number: it must be above or from, and at most or below, one of each pair if any. */
type RealRange = {
  above?: number;
  from?: number;
  max?: number;
  below?: number;
  /** A word on what the bounds mean. */
  hint?: string;
};

const parseReal = (input: string, options: RealRange & {name: string}): number => {
  const {name, above = -Infinity, from = -Infinity, max = Infinity, below = Infinity, hint} = options;
  const value = Number(input);
  const fits = value > above && value >= from && value <= max && value < below;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(input) || !fits) {
    const bounds = `it must be a number ${boundsOf(options)}${hint ? ` (${hint})` : ''}`;
    throw new UsageError(`--${name} is ${JSON.stringify(input)}; ${bounds}.`);
  }
  return value;
};

/** For example `above 0 and at most 1`, or `from 0 to 1`. */
const boundsOf = ({above, from, max, below}: RealRange): string => {
  if (from !== undefined && max !== undefined) return `from ${from} to ${max}`;
  return [
    above === undefined ? null : `above ${above}`,
    from === undefined ? null : `from ${from}`,
    max === undefined ? null : `at most ${max}`,
    below === undefined ? null : `below ${below}`,
  ]
    .filter((bound) => bound !== null)
    .join(' and ');
};

/** A flag that takes a number in a range. */
export const realNumber = Flags.custom<number, RealRange>({
  helpValue: 'X',
  parse: (input, _context, options) => Promise.resolve(parseReal(input, options)),
});

const BYTES: Record<string, number> = {
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

/** A flag that takes a size: `5GB`, `500MB` (powers of 1000), `512MiB` (powers of 1024), or plain bytes. */
export const byteSize = Flags.custom<number>({
  helpValue: 'SIZE',
  parse(input, _context, {name}) {
    const [, number, unit] = /^(\d+\.?\d*|\.\d+) ?([a-z]*)$/i.exec(input) ?? [];
    const bytes = Math.floor(Number(number) * (BYTES[(unit || 'B').toUpperCase()] ?? NaN));
    if (!(Number.isSafeInteger(bytes) && bytes > 0)) {
      throw new UsageError(
        `--${name} is ${JSON.stringify(input)}; it must be a size such as 5GB, 500MB or 512MiB.`,
      );
    }
    return Promise.resolve(bytes);
  },
});

/** A flag that takes some text, not none. */
export const someText = Flags.custom<string>({
  parse(input, _context, {name}) {
    if (input === '') throw new UsageError(`--${name} is empty; give it a value.`);
    return Promise.resolve(input);
  },
});

/** `--output`, for commands that write a folder. */
export const outputFlag = someText({
  char: 'o',
  description: 'The folder to write; it must not exist, or be empty.',
  helpValue: 'DIR',
  required: true,
});

/** `--force`, for commands that write a model in one go. */
export const forceFlag = Flags.boolean({
  description: 'Replace a model that lies at the output already, once the new one is whole.',
});

/** `--engine` and `--device`, for commands that compute. Which engines there are, the caller knows. */
export const engineFlags = (engines: readonly string[]) => ({
  engine: someText({
    description:
      'What computes: a real GPU if one works, else the fastest on this machine, unless given. See `<%= config.bin %> engines`.',
    helpGroup: 'ENGINE',
    options: ['auto', ...engines],
  }),
  device: someText({
    description:
      'The GPU for the webgpu engine, which it chooses: a part of its name, or its number from 0. The first real one unless given.',
    helpGroup: 'ENGINE',
    helpValue: 'NAME|N',
  }),
});

/** `--threads`, for commands that compute. */
export const threadsFlag = wholeNumber({
  description: 'Threads for a CPU engine; as many as it can use unless given.',
  helpGroup: 'ENGINE',
  min: 1,
  max: 1024,
});

const THRESHOLD = {above: 0, max: 1, hint: '1 never exits'};

/** `--threshold P`, for commands that run a model once. */
export const thresholdFlag = realNumber({
  ...THRESHOLD,
  description:
    "Exit early where the mean zero attention exceeds it; smaller exits earlier, 1 never. The model's own (usually 1) unless given.",
  helpValue: 'P',
});

/** `--threshold P,P,...`, for commands that run a model at several. */
export const thresholdsFlag = realNumber({
  ...THRESHOLD,
  description: 'Early-exit thresholds to measure at, each by itself; smaller exits earlier, 1 never.',
  helpValue: 'P,P',
  multiple: true,
  multipleNonGreedy: true,
  delimiter: ',',
});

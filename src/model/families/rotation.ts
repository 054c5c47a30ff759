import {z} from 'zod';
import type {Rotation} from '../architecture.js';
import {count} from './schema.js';

// What configs say of rotary position embedding, and the frequencies that follow (`modeling_rope_utils.py` of Transformers).

const positive = z.number().positive();

/** Scalings whose frequencies follow from the config alone. */
const TYPES = ['default', 'linear', 'llama3', 'yarn'] as const;
type RotaryType = (typeof TYPES)[number];

/** Scalings with other frequencies for longer texts: a cached key, a batch and an exit would each give another result. */
const BY_LENGTH = ['dynamic', 'longrope', 'su'];

const parametersSchema = z
  .looseObject({
    rope_type: z.string().nullish(),
    /** The same, in configs from before 2024. */
    type: z.string().nullish(),
    rope_theta: positive.nullish(),
    partial_rotary_factor: positive.max(1).nullish(),
    factor: positive.nullish(),
    low_freq_factor: positive.nullish(),
    high_freq_factor: positive.nullish(),
    original_max_position_embeddings: count.nullish(),
    attention_factor: positive.nullish(),
    mscale: z.number().nonnegative().nullish(),
    mscale_all_dim: z.number().nonnegative().nullish(),
    beta_fast: positive.nullish(),
    beta_slow: positive.nullish(),
    truncate: z.boolean().nullish(),
  })
  .superRefine((parameters, context) => {
    const type = typeOf(parameters);
    if (BY_LENGTH.includes(type)) {
      context.addIssue(
        `the rope_type ${JSON.stringify(type)} is not supported: its frequencies change with the length of the text`,
      );
      return;
    }
    if (!(TYPES as readonly string[]).includes(type)) {
      context.addIssue(`the rope_type ${JSON.stringify(type)} is not supported; ${TYPES.join(', ')} are`);
      return;
    }
    for (const key of NEEDED[type as RotaryType]) {
      if (typeof parameters[key] !== 'number') context.addIssue(`rope_type ${type} needs ${key}`);
    }
    const {low_freq_factor: low, high_freq_factor: high} = parameters;
    if (type === 'llama3' && low && high && low >= high) {
      context.addIssue('low_freq_factor must be below high_freq_factor');
    }
  });

type Parameters = z.output<typeof parametersSchema>;

const typeOf = ({rope_type: name, type}: Partial<Parameters>): string => name ?? type ?? 'default';

const NEEDED = {
  default: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor'],
  yarn: [],
} as const satisfies Record<RotaryType, readonly (keyof Parameters)[]>;

/** The keys of a config that rotation follows from. */
export const rotaryKeys = {
  /** Since Transformers 5. */
  rope_parameters: parametersSchema.nullish(),
  /** Before; where both are, Transformers takes this one. */
  rope_scaling: parametersSchema.nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: positive.max(1).nullish(),
  original_max_position_embeddings: count.nullish(),
  max_position_embeddings: count,
};

type RotaryConfig = z.output<z.ZodObject<typeof rotaryKeys>>;

/** The dimensions of a head that are rotated. */
export function rotatedSize(config: RotaryConfig, headSize: number): number {
  const parameters = config.rope_scaling ?? config.rope_parameters;
  const part = parameters?.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  return Math.floor(headSize * part);
}

/**
 * The rotation that a config describes.
 * @param theta - the base of the frequencies, where the config names none
 */
export function rotationOf(config: RotaryConfig, headSize: number, theta = 10_000): Rotation {
  const parameters: Partial<Parameters> = config.rope_scaling ?? config.rope_parameters ?? {};
  const base = parameters.rope_theta ?? config.rope_theta ?? theta;
  const size = rotatedSize(config, headSize);
  const plain = Array.from({length: size / 2}, (_, i) => base ** ((-2 * i) / size));
  const original =
    config.original_max_position_embeddings ??
    parameters.original_max_position_embeddings ??
    config.max_position_embeddings;
  switch (typeOf(parameters) as RotaryType) {
    case 'default':
      return {frequencies: plain, factor: 1};
    case 'linear':
      return {frequencies: plain.map((frequency) => frequency / parameters.factor!), factor: 1};
    case 'llama3':
      return {frequencies: plain.map((frequency) => llama3(frequency, parameters, original)), factor: 1};
    case 'yarn':
      return yarn(plain, parameters, {base, size, original, longest: config.max_position_embeddings});
  }
}

/** Low frequencies are divided by the factor, high ones stay, and those between are mixed (Llama 3.1). */
function llama3(frequency: number, parameters: Partial<Parameters>, original: number): number {
  const {factor, low_freq_factor: low, high_freq_factor: high} = parameters as Record<string, number>;
  const turns = (original * frequency) / (2 * Math.PI);
  if (turns < low!) return frequency / factor!;
  if (turns > high!) return frequency;
  const kept = (turns - low!) / (high! - low!);
  return ((1 - kept) * frequency) / factor! + kept * frequency;
}

/** YaRN (Peng et al., arXiv 2309.00071). */
function yarn(
  plain: readonly number[],
  parameters: Partial<Parameters>,
  {base, size, original, longest}: {base: number; size: number; original: number; longest: number},
): Rotation {
  const stretch = parameters.factor ?? longest / original;
  const {mscale, mscale_all_dim: all, beta_fast: fast, beta_slow: slow, truncate} = parameters;
  const scaleOf = (m: number) => (stretch <= 1 ? 1 : 0.1 * m * Math.log(stretch) + 1);
  const factor = parameters.attention_factor ?? (mscale && all ? scaleOf(mscale) / scaleOf(all) : scaleOf(1));
  // The dimension whose frequency turns so often within the original length.
  const dimension = (turns: number) =>
    (size * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const whole = truncate ?? true;
  const [from, to] = [dimension(fast ?? 32), dimension(slow ?? 1)];
  const low = Math.max(whole ? Math.floor(from) : from, 0);
  const high = Math.min(whole ? Math.ceil(to) : to, size - 1);
  const frequencies = plain.map((frequency, i) => {
    const ramp = Math.min(Math.max((i - low) / (high - low || 0.001), 0), 1);
    return (frequency / stretch) * ramp + frequency * (1 - ramp);
  });
  return {frequencies, factor};
}

import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {z} from 'zod';
import {elementCount} from '../checkpoint/index.js';
import {blockLinears, type Architecture, type LinearSpec, type TensorSpec} from './architecture.js';
import {slots, type Arrangement} from './layout.js';

// Low-rank adaptation (Hu et al., arXiv 2106.09685): a linear map's y = x W + b becomes
// y + (alpha / rank) (x A^T) B^T, with A [rank, inputs] and B [outputs, rank] whatever W's orientation.

/** Whether a middle layer's cycles have matrices of their own, or the same. */
export const LORA_PER = ['shared', 'cycle'] as const;
export type LoraPer = (typeof LORA_PER)[number];

/** Far beyond use; a matrix of it is no low-rank one. */
export const MAX_LORA_RANK = 4096;

/** `ztt.lora` in config.json. */
export const loraSchema = z.object({
  rank: z.number().int().min(1).max(MAX_LORA_RANK),
  alpha: z.number().positive(),
  per: z.enum(LORA_PER),
  /** The linear maps of a block that have matrices, by the family's names. */
  targets: z.array(z.string()).min(1),
});

export type LoraConfig = z.output<typeof loraSchema>;

/** What the product of the matrices is multiplied by. */
export const loraScale = ({alpha, rank}: LoraConfig): number => alpha / rank;

/** The linear maps of a block that have LoRA matrices. */
export const loraTargets = (arch: Architecture, lora: LoraConfig): LinearSpec[] =>
  blockLinears(arch).filter(({name}) => lora.targets.includes(name));

/** The LoRA matrices of a model, by their names in our checkpoints: `lora.{part}.{i}.{cycle|shared}.{module}.{A|B}`. */
export function loraTensors(arch: Architecture, arrangement: Arrangement): TensorSpec[] {
  const {lora} = arrangement;
  if (!lora) return [];
  const targets = loraTargets(arch, lora);
  const prefixes = new Set(slots(arrangement).map((slot) => slot.lora!));
  return [...prefixes].flatMap((prefix) =>
    targets.flatMap(({name, inputs, outputs}) => [
      {name: `${prefix}${name}.A`, shape: [lora.rank, inputs]},
      {name: `${prefix}${name}.B`, shape: [outputs, lora.rank]},
    ]),
  );
}

/**
 * First values, as PEFT's: A uniform within 1 / sqrt(inputs) (He's bound for a leaky ReLU of slope sqrt(5)), B zeros,
 * so that the model computes what it did.
 */
export function* initialLora(
  specs: readonly TensorSpec[],
  seed: number,
): Generator<TensorSpec & {values: Float32Array}> {
  const random = xoroshiro128plus(seed);
  for (const {name, shape} of specs) {
    const bound = 1 / Math.sqrt(shape[1]!);
    const value = name.endsWith('.B') ? () => 0 : () => (2 * uniformFloat64(random) - 1) * bound;
    yield {name, shape, values: Float32Array.from({length: elementCount(shape)}, value)};
  }
}

import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {elementCount} from '../checkpoint/index.js';
import type {Architecture} from './architecture.js';
import {slots, type Arrangement} from './layout.js';
import type {LoraConfig} from './lora-config.js';
import {layerLinears, type LinearSpec, type TensorSpec} from './parameters.js';

// Low-rank adaptation (Hu et al., arXiv 2106.09685): a linear map's y = x W + b becomes
// y + (alpha / rank) (x A^T) B^T, with A [rank, inputs] and B [outputs, rank] whatever W's orientation.

/** Of these linear maps those that have LoRA matrices. */
export const loraTargets = (linears: readonly LinearSpec[], lora: LoraConfig): LinearSpec[] =>
  linears.filter(({name}) => lora.targets.includes(name));

/** The LoRA matrices of a model, by their names in our checkpoints: `lora.{part}.{i}.{cycle|shared}.{module}.{A|B}`. */
export function loraTensors(arch: Architecture, arrangement: Arrangement): TensorSpec[] {
  const {lora} = arrangement;
  if (!lora) return [];
  const sources = new Map(slots(arrangement).map((slot) => [slot.lora!, slot.sources]));
  return [...sources].flatMap(([prefix, layers]) =>
    loraTargets(layerLinears(arch, arch.layers[layers[0]!]!), lora).flatMap(({name, inputs, outputs}) => [
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

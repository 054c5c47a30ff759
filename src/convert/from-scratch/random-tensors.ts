import {createHash} from 'node:crypto';
import {elementCount, fromFloat32, type TensorSource} from '../../checkpoint/index.js';
import type {Architecture, TensorSpec} from '../../model/index.js';
import {gaussian} from '../zero-tokens/gaussian.js';

/** Values made at a time. */
const CHUNK = 1 << 18;

/** What Transformers begins a model with, of what the architecture does not say. */
export interface InitialValues {
  /** The standard deviation of matrices and embeddings: GPT-2's `initializer_range`, OPT's `init_std`. */
  std: number;
  /** The token embedding's row that is zeros (OPT's padding token), or null. */
  paddingRow: number | null;
}

/**
 * A tensor of a new model, as `_init_weights` of Transformers' GPT-2 and OPT sets it: norms 1, biases 0, all else
 * N(0, std^2); GPT-2's projections onto the residual stream have std / sqrt(2 layers). The values depend on the seed
 * and the tensor's name alone, and are made as they are written.
 */
export function randomTensor(
  arch: Architecture,
  {name, shape}: TensorSpec,
  values: InitialValues,
  seed: number,
): TensorSource {
  return {name, dtype: 'F32', shape, chunks};

  function* chunks(): Generator<Uint8Array> {
    const next = valuesOf(arch, name, values, seed);
    const count = elementCount(shape);
    const rowLength = shape.at(-1)!;
    const padding = name === `${arch.outer.tokens}.weight` ? values.paddingRow : null;
    for (let start = 0; start < count; start += CHUNK) {
      const part = new Float32Array(Math.min(CHUNK, count - start));
      for (let i = 0; i < part.length; i++) {
        const value = next();
        part[i] = padding !== null && Math.floor((start + i) / rowLength) === padding ? 0 : value;
      }
      yield fromFloat32(part, 'F32');
    }
  }
}

function valuesOf(arch: Architecture, name: string, {std}: InitialValues, seed: number): () => number {
  const {block, outer} = arch;
  if (name.endsWith('.bias')) return () => 0;
  const isModule = (module: string | null) => module !== null && name.endsWith(`${module}.weight`);
  if ([block.attentionNorm, block.mlpNorm, outer.finalNorm].some(isModule)) return () => 1;
  const residual = arch.family === 'gpt2' && [block.attentionOut, block.down].some(isModule);
  return gaussian(residual ? std / Math.sqrt(2 * arch.layers) : std, seedOf(name, seed));
}

/** A seed of its own for each tensor. */
const seedOf = (name: string, seed: number): number =>
  createHash('sha256').update(`${seed} ${name}`).digest().readInt32LE();

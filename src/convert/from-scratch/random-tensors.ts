import {createHash} from 'node:crypto';
import {elementCount, fromFloat32, type TensorSource} from '../../checkpoint/index.js';
import {normNames, type Architecture, type InitialValues, type TensorSpec} from '../../model/index.js';
import {gaussian} from '../zero-tokens/gaussian.js';

/** Values made at a time. */
const CHUNK = 1 << 18;

/**
 * A tensor of a new model, as `_init_weights` of its family in Transformers sets it. The values depend on the seed and
 * the tensor's name alone, and are made as they are written.
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
    const padding = name === `${arch.embedding.tokens}.weight` ? values.paddingRow : null;
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

function valuesOf(
  arch: Architecture,
  name: string,
  {std, residualStd}: InitialValues,
  seed: number,
): () => number {
  if (name.endsWith('.bias')) return () => 0;
  const isOneOf = (modules: Iterable<string>) =>
    [...modules].some((module) => name.endsWith(`${module}.weight`));
  if (isOneOf(normNames(arch))) return () => 1;
  return gaussian(isOneOf(residualMaps(arch)) ? residualStd : std, seedOf(name, seed));
}

/** The maps onto the residual stream: the output of attention, and of the feed-forward network. */
const residualMaps = ({layers}: Architecture): Set<string> =>
  new Set(layers.flatMap(({attention, mlp}) => [attention.out.name, mlp.down.name]));

/** A seed of its own for each tensor. */
const seedOf = (name: string, seed: number): number =>
  createHash('sha256').update(`${seed} ${name}`).digest().readInt32LE();

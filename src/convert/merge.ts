import {
  Checkpoint,
  DTYPE_NAMES,
  isFloatDtype,
  toFloat32,
  writeModelFiles,
  type TensorSource,
  Rounder,
} from '../checkpoint/index.js';
import {requireFreeOutput, writeFolder} from '../files/index.js';
import {UnsupportedError} from '../errors.js';
import {
  loraScale,
  layerLinears,
  loraTargets,
  modelConfigJson,
  readCheckpointConfig,
  slots,
  type Architecture,
  type Arrangement,
  type LoraConfig,
} from '../model/index.js';
import {copied} from './source/tensor-source.js';

export interface MergeOptions {
  /** A ZTT model's folder. */
  model: string;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** Called after each tensor. */
  onTensor?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

export interface MergeReport {
  output: string;
  /** The matrices that there are no more. */
  lora: LoraConfig;
  /** The weights that they went into. */
  merged: string[];
}

/**
 * Adds a model's LoRA matrices to its weights: W + (alpha / rank) B A, in float32, rounded to the weight's dtype. All
 * else keeps its bytes.
 * @throws UnsupportedError for a model without LoRA matrices, or with others in each of several cycles, which have one
 *   weight between them
 */
export async function merge(options: MergeOptions): Promise<MergeReport> {
  await requireFreeOutput(options.output);
  const checkpoint = await Checkpoint.open(options.model);
  try {
    const {config} = await readCheckpointConfig(checkpoint);
    const {arch, arrangement, base, ztt} = config;
    const {lora} = arrangement;
    if (!ztt || !lora) throw new UnsupportedError(`${options.model} has no LoRA matrices to merge.`);
    if (lora.per === 'cycle' && arrangement.cycles > 1) {
      throw new UnsupportedError(
        `${options.model} cannot be merged: each of its ${arrangement.cycles} cycles has LoRA matrices of its own, and the cycles have one weight between them; it runs as it is.`,
      );
    }
    const pairs = pairsOf(arch, arrangement, lora);
    const names = [...checkpoint.tensors.keys()].filter((name) => !name.startsWith('lora.'));
    const tensors = names.map((name) => {
      const pair = pairs.get(name);
      return pair ? merged(checkpoint, name, pair, arch) : copied(checkpoint, name, name);
    });
    const {dtype} = checkpoint.info(`${arch.embedding.tokens}.weight`);
    const json = modelConfigJson(
      base,
      {...ztt, lora: undefined},
      DTYPE_NAMES[isFloatDtype(dtype) ? dtype : 'F32'],
    );
    let done = 0;
    const counted = tensors.map((tensor) => ({
      ...tensor,
      async *chunks() {
        yield* tensor.chunks();
        options.onTensor?.(++done, tensors.length);
      },
    }));
    await writeFolder(options.output, (stage) =>
      writeModelFiles(
        stage,
        {tensors: counted, config: json, carryFrom: checkpoint.folder},
        {signal: options.signal},
      ),
    );
    return {output: options.output, lora, merged: [...pairs.keys()]};
  } finally {
    await checkpoint.close();
  }
}

/** The LoRA matrices of a weight. */
interface Pair {
  /** The names of A and B, without their last letter. */
  name: string;
  inputs: number;
  outputs: number;
  rank: number;
  scale: number;
}

/** The matrices of each weight, by the weight's name. */
function pairsOf(arch: Architecture, arrangement: Arrangement, lora: LoraConfig): Map<string, Pair> {
  const numbers = {rank: lora.rank, scale: loraScale(lora)};
  const entries = slots(arrangement).flatMap((slot) =>
    loraTargets(layerLinears(arch, arch.layers[slot.sources[0]!]!), lora).map(
      ({name, inputs, outputs}): [string, Pair] => [
        `${slot.prefix}${name}.weight`,
        {name: `${slot.lora}${name}`, inputs, outputs, ...numbers},
      ],
    ),
  );
  return new Map(entries);
}

/** A weight with its matrices added, read and written piece by piece. */
function merged(checkpoint: Checkpoint, name: string, pair: Pair, arch: Architecture): TensorSource {
  const {dtype, shape} = checkpoint.info(name);
  if (!isFloatDtype(dtype))
    throw new UnsupportedError(`${name} is ${dtype}, which LoRA matrices cannot be added to.`);
  const {rank, scale, outputs, inputs} = pair;
  const columns = arch.weightLayout === 'io' ? outputs : inputs;
  return {name, dtype, shape, chunks};

  async function* chunks(): AsyncGenerator<Uint8Array> {
    // Both with one row of `rank` values for each input or output.
    const a = transposed(await checkpoint.readFloat32(`${pair.name}.A`), rank, inputs);
    const b = await checkpoint.readFloat32(`${pair.name}.B`);
    const [ofRow, ofColumn] = arch.weightLayout === 'io' ? [a, b] : [b, a];
    const rounder = new Rounder(name, dtype as 'F32');
    let start = 0;
    for await (const chunk of checkpoint.chunks(name)) {
      const values = toFloat32(chunk, dtype);
      for (let i = 0; i < values.length; i++) {
        const row = Math.floor((start + i) / columns) * rank;
        const column = ((start + i) % columns) * rank;
        let product = 0;
        for (let r = 0; r < rank; r++) product += ofRow[row + r]! * ofColumn[column + r]!;
        values[i]! += scale * product;
      }
      start += values.length;
      yield rounder.round(values);
    }
    rounder.finish();
  }
}

/** x [rows, columns] as [columns, rows]. */
function transposed(x: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({length: x.length}, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!);
}

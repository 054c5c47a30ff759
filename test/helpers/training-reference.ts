import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {z} from 'zod';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {convert, LAYOUTS, load, type LossMask, type Model} from '../../src/index.js';
import {FIXTURES} from './oracle.js';
import {makeTempFolder} from './temp.js';

const runSchema = z.object({
  arrangement: z.object({layout: z.enum(LAYOUTS), cycles: z.number(), head: z.number(), tail: z.number()}),
  train: z.string(),
  lora: z
    .object({
      rank: z.number(),
      alpha: z.number(),
      per: z.enum(['shared', 'cycle']),
      targets: z.array(z.string()),
    })
    .nullable(),
  settings: z.object({
    steps: z.number(),
    lr: z.number(),
    lrSchedule: z.enum(['cosine', 'linear', 'constant']),
    warmup: z.number(),
    beta1: z.number(),
    beta2: z.number(),
    epsilon: z.number(),
    weightDecay: z.number(),
    clipNorm: z.number(),
    accumulate: z.number(),
  }),
  distill: z.object({weight: z.number(), temperature: z.number()}).nullable(),
  losses: z.array(z.number()),
  norms: z.array(z.number()),
});

/** A label that does not count. */
const IGNORED = -100;

/** A run that PyTorch took, as test/finetune/make_training.py wrote it. */
export class TrainingReference {
  private constructor(
    readonly family: string,
    private readonly file: SafetensorsFile,
    readonly run: z.output<typeof runSchema>,
  ) {}

  static async open(family: string, name: string): Promise<TrainingReference> {
    const file = await SafetensorsFile.open(join(FIXTURES, 'training', family, `${name}.safetensors`));
    return new TrainingReference(family, file, runSchema.parse(JSON.parse(file.metadata.run!)));
  }

  /** The source checkpoint that the run's model was converted from. */
  get source(): string {
    return join(FIXTURES, 'training', this.family);
  }

  /** The model as it was before the first step. */
  async model(engine: string): Promise<Model> {
    const temp = await makeTempFolder();
    const {lora} = this.run;
    await convert({source: this.source, output: temp.path('model'), ...this.run.arrangement});
    const model = await load(temp.path('model'), {engine, lora: lora ? {...lora, seed: 0} : undefined});
    await temp.remove();
    for (const [name, values] of await this.tensors('start.')) {
      const parameter = model.parameters().get(name)!;
      tf.tidy(() => parameter.assign(tf.tensor(values, parameter.shape)));
    }
    return model;
  }

  /** The batch of a step (0-based), and which of its tokens count. */
  async batch(step: number): Promise<{ids: number[][]; mask: LossMask | undefined}> {
    const ids = await this.integers('ids', step);
    const labels = this.file.tensors.has('labels') ? await this.integers('labels', step) : null;
    return {ids, mask: labels?.map((row) => row.map((label) => label !== IGNORED))};
  }

  /** Each trained tensor after the last step. */
  ended(): Promise<Map<string, Float32Array>> {
    return this.tensors('end.');
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async tensors(prefix: string): Promise<Map<string, Float32Array>> {
    const found = new Map<string, Float32Array>();
    for (const name of this.file.tensors.keys()) {
      if (name.startsWith(prefix)) found.set(name.slice(prefix.length), await this.file.readFloat32(name));
    }
    return found;
  }

  /** One step's rows of an int64 tensor [steps, B, T]. */
  private async integers(name: string, step: number): Promise<number[][]> {
    const info = this.file.tensors.get(name)!;
    const [, B, T] = info.shape as [number, number, number];
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.file.chunks(name)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const at = (row: number, t: number) => Number(bytes.readBigInt64LE(8 * ((step * B + row) * T + t)));
    return Array.from({length: B}, (_, row) => Array.from({length: T}, (_, t) => at(row, t)));
  }
}

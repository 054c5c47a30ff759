import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {z} from 'zod';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import type {Layout} from '../../src/index.js';
import {readIntegers, readRows} from './integers.js';

/** The repository's fixtures. */
export const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));

/** The oracle cases: checkpoints and what Transformers and the reference give for them (see fixtures/README.md). */
export const ORACLE = join(FIXTURES, 'oracle');

export const CASES = readdirSync(ORACLE);

/** Those of GPT-2 and OPT: ONNX export and the Python files know no other families yet. */
export const FIRST_CASES = CASES.filter((name) => /^(gpt2|opt|galactica)/.test(name));

/** The variants each case has expected values for. */
export const VARIANTS = ['vanilla', 'bc2', 'htc2', 'ztt1', 'ztt2', 'ztt3-head2'] as const;
export type Variant = (typeof VARIANTS)[number];

export const THRESHOLDS = [0.05, 0.1, 0.2, 0.3, 0.5];

const shapeSchema = z.object({
  layout: z.enum(['bc', 'htc', 'ztt']),
  cycles: z.number(),
  head: z.number(),
  tail: z.number(),
});

/** What a case expects, by name. */
export class Expected {
  private constructor(private readonly file: SafetensorsFile) {}

  static async open(name: string): Promise<Expected> {
    return new Expected(await SafetensorsFile.open(join(ORACLE, name, 'expected.safetensors')));
  }

  has(name: string): boolean {
    return this.file.tensors.has(name);
  }

  names(prefix: string): string[] {
    return [...this.file.tensors.keys()].filter((name) => name.startsWith(prefix));
  }

  shape(name: string): number[] {
    return this.file.tensors.get(name)!.shape;
  }

  async floats(name: string): Promise<Float32Array> {
    return this.file.readFloat32(name);
  }

  /** An int64 tensor's values. */
  async integers(name: string): Promise<number[]> {
    return readIntegers(this.file, name);
  }

  /** The rows that all expectations are of. */
  async ids(): Promise<number[][]> {
    return readRows(this.file, 'input_ids');
  }

  metadata(name: string): string {
    return this.file.metadata[name]!;
  }

  arrangement(variant: Variant): {layout: Layout; cycles: number; head: number; tail: number} {
    if (variant === 'vanilla') return {layout: 'vanilla', cycles: 1, head: 0, tail: 0};
    return shapeSchema.parse(JSON.parse(this.metadata(`${variant}.shape`)));
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

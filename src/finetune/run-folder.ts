import {mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {z} from 'zod';
import {
  exists,
  readJson,
  SafetensorsFile,
  writeFileWhole,
  writeFolder,
  writeModelFiles,
  writeSafetensors,
  type TensorSource,
} from '../checkpoint/index.js';
import {FormatError, UsageError} from '../errors.js';
import type {RunSettings, StepMetrics} from './options.js';

const OPTIMIZER = 'optimizer.safetensors';
const STATE = 'trainer_state.json';

const stateSchema = z.object({
  version: z.literal(1),
  /** Steps done. */
  step: z.number().int().positive(),
  settings: z.object({
    steps: z.number(),
    batchSize: z.number(),
    seqLen: z.number(),
    lr: z.number(),
    warmup: z.number(),
    seed: z.number(),
  }),
  data_sha256: z.string(),
});

/** What a run must share with the checkpoint it goes on from, besides the weights. */
export interface RunIdentity {
  settings: RunSettings;
  dataSha256: string;
}

/** A model's content, as it is at some step. */
export interface ModelSnapshot {
  parameters: ReadonlyMap<string, tf.Variable>;
  /** The content of config.json. */
  config: Record<string, unknown>;
  /** The folder whose tokenizer files come along. */
  carryFrom: string;
}

/** The folder of a fine-tuning run: metrics.jsonl, checkpoints/step-N, and at the end the model at its top. */
export class RunFolder {
  constructor(readonly path: string) {}

  async create(): Promise<void> {
    await mkdir(this.path, {recursive: true});
  }

  /** Whether the run has ended: its model lies at the top. */
  async finished(): Promise<boolean> {
    return exists(join(this.path, 'config.json'));
  }

  /** Steps of the newest whole checkpoint, or 0. Partial ones, of a run that was killed, are removed. */
  async newestStep(): Promise<number> {
    const folder = join(this.path, 'checkpoints');
    if (!(await exists(folder))) return 0;
    const names = await readdir(folder);
    await Promise.all(
      names
        .filter((name) => name.endsWith('.partial'))
        .map((name) => rm(join(folder, name), {recursive: true})),
    );
    const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
    return Math.max(0, ...steps);
  }

  checkpoint(step: number): string {
    return join(this.path, 'checkpoints', `step-${step}`);
  }

  /** Writes a checkpoint, whole or not at all: the model, the optimiser's moments, and where the run is. */
  async save(
    step: number,
    identity: RunIdentity,
    model: ModelSnapshot,
    moments: ReadonlyMap<string, tf.Variable>,
  ): Promise<void> {
    if (await exists(this.checkpoint(step))) return;
    await mkdir(join(this.path, 'checkpoints'), {recursive: true});
    await writeFolder(this.checkpoint(step), async (stage) => {
      await writeModelFiles(stage, {...model, tensors: tensorSources(model.parameters)});
      await writeSafetensors(join(stage, OPTIMIZER), tensorSources(moments));
      const state = {version: 1, step, settings: identity.settings, data_sha256: identity.dataSha256};
      await writeFile(join(stage, STATE), `${JSON.stringify(state, null, 2)}\n`);
    });
  }

  /**
   * Reads a checkpoint's moments into the optimiser's.
   * @throws UsageError if the run was started with other settings or data
   */
  async restore(
    step: number,
    identity: RunIdentity,
    moments: ReadonlyMap<string, tf.Variable>,
  ): Promise<void> {
    const folder = this.checkpoint(step);
    const state = await readJson(join(folder, STATE), stateSchema);
    const changed = Object.entries(identity.settings).filter(
      ([key, value]) => state.settings[key as keyof RunSettings] !== value,
    );
    if (changed.length > 0) {
      const list = changed.map(
        ([key, value]) => `${key} ${state.settings[key as keyof RunSettings]}, not ${value}`,
      );
      throw new UsageError(`${this.path} was started with ${list.join(' and ')}; resume with the same.`);
    }
    if (state.data_sha256 !== identity.dataSha256) {
      throw new UsageError(`${this.path} was started with other data; resume with the same files.`);
    }
    const file = await SafetensorsFile.open(join(folder, OPTIMIZER));
    try {
      for (const [name, variable] of moments) {
        const info = file.tensors.get(name);
        if (!info || info.shape.join() !== variable.shape.join()) {
          throw new FormatError(`${file.path}: ${name} is missing or has another shape.`);
        }
        const values = await file.readFloat32(name);
        tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
      }
    } finally {
      await file.close();
    }
  }

  /** Cuts metrics.jsonl to the steps up to this one. */
  async truncateMetrics(step: number): Promise<void> {
    const path = join(this.path, 'metrics.jsonl');
    if (!(await exists(path))) return;
    const lines = (await readFile(path, 'utf8')).split('\n').slice(0, step);
    await writeFileWhole(path, lines.map((line) => `${line}\n`).join(''));
  }

  async appendMetrics(metrics: StepMetrics): Promise<void> {
    await writeFile(join(this.path, 'metrics.jsonl'), `${JSON.stringify(metrics)}\n`, {flag: 'a'});
  }

  /** Puts the model at the top of the folder; config.json comes last, and says that it is whole. */
  async finish(model: ModelSnapshot): Promise<void> {
    const stage = join(this.path, '.final.partial');
    await rm(stage, {recursive: true, force: true});
    await mkdir(stage);
    await writeModelFiles(stage, {...model, tensors: tensorSources(model.parameters)});
    const names = await readdir(stage);
    for (const name of names.filter((name) => name !== 'config.json')) {
      await rename(join(stage, name), join(this.path, name));
    }
    await rename(join(stage, 'config.json'), join(this.path, 'config.json'));
    await rm(stage, {recursive: true});
  }
}

function tensorSources(variables: ReadonlyMap<string, tf.Variable>): TensorSource[] {
  return [...variables].map(([name, variable]) => ({
    name,
    dtype: 'F32',
    shape: variable.shape,
    async *chunks() {
      const values = (await variable.data()) as Float32Array;
      yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  }));
}

import {mkdir, readdir, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {z} from 'zod';
import {
  SafetensorsFile,
  writeModelFiles,
  writeSafetensors,
  type ModelFolder,
  type TensorSource,
} from '../../checkpoint/index.js';
import {clearAbandoned, exists, readJson, writeFolder} from '../../files/index.js';
import {FileError, FormatError, UsageError} from '../../errors.js';
import {renamedChoices, withDefaults} from '../../options/index.js';
import {RECIPE_OPTIONS, RUN_OPTIONS} from '../options.js';
import type {RunSettings} from '../settings/options.js';
import {isRunConfig, RUN_CONFIG} from './run-config.js';
import {recordSchema, type RunRecord} from '../records/record.js';

const OPTIMIZER = 'optimizer.safetensors';
const STATE = 'trainer_state.json';
const FINAL = '.final.partial';
/** A checkpoint that is being removed. */
const REMOVED = /^\.step-\d+\.removed\.partial$/;

/** What ztt writes into a run's folder by these names. */
const OWN_ENTRIES = new Map<string, 'folder' | 'file'>([
  ['checkpoints', 'folder'],
  ['tensorboard', 'folder'],
  ['metrics.jsonl', 'file'],
  [RUN_CONFIG, 'file'],
]);

const stateSchema = z.object({
  version: z.literal(2, 'this version of ztt reads trainer state version 2'),
  /** Steps done. */
  step: z.number().int().positive(),
  settings: z.record(z.string(), z.unknown()),
  data_sha256: z.string(),
  record: recordSchema,
});

const batchSchema = z.object({batchSize: z.number(), accumulate: z.number()});

type TrainerState = z.output<typeof stateSchema>;

/** What a run must share with the checkpoint it goes on from, besides the weights. */
export interface RunIdentity {
  settings: RunSettings;
  dataSha256: string;
}

/** All that a checkpoint holds. */
export interface RunCheckpoint {
  step: number;
  identity: RunIdentity;
  record: RunRecord;
  model: ModelFolder;
  moments: ReadonlyMap<string, tf.Variable>;
}

/**
 * The folder of a fine-tuning run: checkpoints/step-N, and at the end the model at its top. A checkpoint appears
 * whole, and goes whole, whenever the run is killed.
 */
export class RunFolder {
  constructor(readonly path: string) {}

  private get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  /** Makes the folder, and removes what a run that was killed left half written. */
  async create(): Promise<void> {
    await mkdir(this.checkpoints, {recursive: true});
    await rm(join(this.path, FINAL), {recursive: true, force: true});
    for (const folder of [this.path, this.checkpoints]) await clearAbandoned(folder);
    const removed = (await readdir(this.checkpoints)).filter((name) => REMOVED.test(name));
    for (const name of removed) await rm(join(this.checkpoints, name), {recursive: true});
  }

  /**
   * Checks that a folder is a run to go on with, or that nothing is there yet: what lies in another's folder is not
   * ztt's to cut, replace or remove, and links in it may lead anywhere.
   * @throws FileError
   */
  async requireRun(): Promise<void> {
    const entries = await readdir(this.path, {withFileTypes: true}).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new FileError(`${this.path} cannot be read: ${error.code ?? error.message}.`, {cause: error});
    });
    const refuse = (why: string) =>
      new FileError(`${this.path} is no run that ztt can go on with: ${why}; name the run's own folder.`);
    for (const entry of entries) {
      const kind = OWN_ENTRIES.get(entry.name);
      const fits = kind === 'folder' ? entry.isDirectory() : entry.isFile();
      if (kind && !fits) throw refuse(`${entry.name} in it is no ${kind}, or a link`);
    }
    // Hidden ones are locks, and what was half written; a run that was killed at once has no more than checkpoints/.
    if (entries.every(({name}) => name.startsWith('.') || name === 'checkpoints')) return;
    const isRun = entries.some(({name}) => name === RUN_CONFIG) && (await isRunConfig(this.path));
    if (!isRun)
      throw refuse(
        `it holds ${entries.find(({name}) => !name.startsWith('.'))!.name} and no ${RUN_CONFIG} of a run`,
      );
  }

  /** Whether the run has ended: its model lies at the top. */
  async finished(): Promise<boolean> {
    return exists(join(this.path, 'config.json'));
  }

  /** The steps of the whole checkpoints, rising. */
  async steps(): Promise<number[]> {
    if (!(await exists(this.checkpoints))) return [];
    const names = await readdir(this.checkpoints);
    const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
    return steps.sort((a, b) => a - b);
  }

  checkpoint(step: number): string {
    return join(this.checkpoints, `step-${step}`);
  }

  /** Writes a checkpoint, whole or not at all: the model, the optimiser's moments, and where the run is. */
  async save({step, identity, record, model, moments}: RunCheckpoint): Promise<void> {
    if (await exists(this.checkpoint(step))) return;
    const state: TrainerState = {
      version: 2,
      step,
      settings: {...identity.settings},
      data_sha256: identity.dataSha256,
      record,
    };
    await writeFolder(this.checkpoint(step), async (stage) => {
      await writeModelFiles(stage, model);
      await writeSafetensors(join(stage, OPTIMIZER), tensorSources(moments));
      await writeFile(join(stage, STATE), `${JSON.stringify(state, null, 2)}\n`);
    });
  }

  /** Removes all checkpoints but the newest `keep` and that of the step `best`. */
  async prune(keep: number, best: number | undefined): Promise<void> {
    const steps = await this.steps();
    for (const step of steps.slice(0, -keep)) {
      if (step === best) continue;
      // Renamed first: half removed under its own name it would pass for whole.
      const doomed = join(this.checkpoints, `.step-${step}.removed.partial`);
      await rename(this.checkpoint(step), doomed);
      await rm(doomed, {recursive: true});
    }
  }

  /**
   * Reads a checkpoint's moments into the optimiser's.
   * @returns what the run remembered then
   * @throws UsageError if the run was started with other settings or data; FileError or FormatError for a checkpoint
   *   that is broken
   */
  async restore(
    step: number,
    identity: RunIdentity,
    moments: ReadonlyMap<string, tf.Variable>,
  ): Promise<RunRecord> {
    const folder = this.checkpoint(step);
    const state = await readJson(join(folder, STATE), stateSchema);
    this.requireSame(state, identity);
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
    return state.record;
  }

  /** How a checkpoint's run deals out a step's sequences. @throws FileError or FormatError for a broken one */
  async batchOf(step: number): Promise<{batchSize: number; accumulate: number}> {
    const path = join(this.checkpoint(step), STATE);
    const {settings} = await readJson(path, stateSchema.extend({settings: batchSchema}));
    return settings;
  }

  private requireSame(state: TrainerState, identity: RunIdentity): void {
    const now: Record<string, unknown> = {...identity.settings};
    // A run that began before there was an option ran with its default.
    const before: Record<string, unknown> = {
      ...withDefaults(RECIPE_OPTIONS, {}),
      ...renamedChoices(RUN_OPTIONS, state.settings),
    };
    const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    const told = (value: unknown) => (value === undefined ? 'unset' : JSON.stringify(value));
    const changed = names
      .filter((name) => told(before[name]) !== told(now[name]))
      .map((name) => `${name} ${told(before[name])}, not ${told(now[name])}`);
    if (changed.length > 0) {
      throw new UsageError(`${this.path} was started with ${changed.join(' and ')}; resume with the same.`);
    }
    if (state.data_sha256 !== identity.dataSha256) {
      throw new UsageError(`${this.path} was started with other data; resume with the same files.`);
    }
  }

  /** Puts the model at the top of the folder; config.json comes last, and says that it is whole. */
  async finish(model: ModelFolder): Promise<void> {
    const stage = join(this.path, FINAL);
    await rm(stage, {recursive: true, force: true});
    await mkdir(stage);
    await writeModelFiles(stage, model);
    const names = await readdir(stage);
    for (const name of names.filter((name) => name !== 'config.json')) {
      await rename(join(stage, name), join(this.path, name));
    }
    await rename(join(stage, 'config.json'), join(this.path, 'config.json'));
    await rm(stage, {recursive: true});
  }
}

/** Variables as tensors to write, in float32. */
export function tensorSources(variables: ReadonlyMap<string, tf.Variable>): TensorSource[] {
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

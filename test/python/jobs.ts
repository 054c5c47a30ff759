import {execFile} from 'node:child_process';
import {writeFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import type {BatchOptions, Model} from '../../src/index.js';

/** A Python that has torch and Transformers. */
export const PYTHON = process.env.ZTT_TEST_PYTHON;

/** One forward pass, or several: all but the last `steps` tokens at once, then those one by one out of a cache. */
export interface Forward {
  /** Of any length. */
  rows: number[][];
  steps: number;
  /** Whether the zero attention is asked for. */
  observe?: boolean;
  options: BatchOptions;
}

export interface Generate {
  rows: number[][];
  tokens: number;
  options: {threshold?: number};
}

/** Beam search. */
export interface Beams {
  rows: number[][];
  tokens: number;
  options: BatchOptions;
}

/** All but the last tokens at once, then those out of the cache, whose rows were moved. */
export type Reordered = Pick<Forward, 'rows'>;

export interface Train {
  rows: number[][];
  checkpointing: boolean;
  lr: number;
  betas: [number, number];
  epsilon: number;
  weightDecay: number;
  clipNorm: number;
}

/** What run_models.py does with a model. */
export interface Job {
  folder: string;
  /** The safetensors file that it writes. */
  results: string;
  forward: Record<string, Forward>;
  generate: Record<string, Generate>;
  reordered: Record<string, Reordered>;
  beams: Record<string, Beams>;
  train: Record<string, Train>;
  /** Where it saves the model, with rows to see that it computes the same. */
  save: {folder: string; rows: number[][]};
}

/** A GPT-2 or OPT, of which Python writes the logits of these rows. */
export interface PlainJob {
  folder: string;
  results: string;
  plain: number[][];
}

/** Has Python do all jobs, in one process. */
export async function runInPython(jobs: readonly (Job | PlainJob)[], path: string): Promise<void> {
  await writeFile(
    path,
    JSON.stringify(jobs, (_, value: unknown) => withPythonNames(value)),
  );
  const script = fileURLToPath(new URL('run_models.py', import.meta.url));
  const env = {...process.env, HF_HUB_OFFLINE: '1', HF_MODULES_CACHE: `${path}.modules`};
  await promisify(execFile)(PYTHON!, [script, path], {env, maxBuffer: 1 << 26});
}

/** An object with its options named as Python has them: exitFromCycle is exit_from_cycle. Names with other signs stay. */
function withPythonNames(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const renamed = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [renamed(name), item as unknown]));
}

/** What a job's file has, by name. */
export async function resultsOf({results}: Pick<Job, 'results'>): Promise<Map<string, Float32Array>> {
  const file = await SafetensorsFile.open(results);
  const values = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) values.set(name, await file.readFloat32(name));
  await file.close();
  return values;
}

/** The logits that our engine gives for a `Forward`, row after row, and the slots that ran for each token. */
export async function forwardHere(
  model: Model,
  {rows, steps, options}: Forward,
): Promise<{logits: number[]; slots: number[]}> {
  if (steps === 0) {
    const results = await model.logitsBatch(rows, options);
    return {
      logits: results.flatMap(({logits}) => [...logits]),
      slots: results.flatMap(({slotsPerToken}) => [...slotsPerToken]),
    };
  }
  const {contextLength, ...exits} = options;
  const cached = model.cached({...exits, logits: 'all'});
  let states = await cached.start(
    rows.map((row) => row.slice(0, -steps)),
    typeof contextLength === 'number' ? rows.map(() => contextLength) : contextLength,
  );
  const all = [states];
  for (let step = steps; step > 0; step--) {
    states = await cached.continue(
      states.map(({tokens}, i) => ({after: tokens, ids: [rows[i]!.at(-step)!]})),
    );
    all.push(states);
  }
  cached.dispose();
  const ofRow = <Value>(pick: (state: (typeof states)[number]) => ArrayLike<Value>) =>
    rows.flatMap((_, row) => all.flatMap((states) => Array.from(pick(states[row]!))));
  return {logits: ofRow(({logits}) => logits), slots: ofRow(({slotsPerToken}) => slotsPerToken)};
}

import {createHash} from 'node:crypto';
import {Checkpoint} from '../checkpoint/index.js';
import {openTask, type TaskOptions} from '../eval/index.js';
import {readModelConfig} from '../model/index.js';

/** A sha256 in hex of anything JSON can say: the same for the same content. */
export const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** What a source is, whatever it is called: its weights and its config. */
export async function sourceIdentity(source: string): Promise<string> {
  const checkpoint = await Checkpoint.open(source);
  try {
    const {base} = await readModelConfig(checkpoint.folder);
    return digest([base, Object.values(await checkpoint.sha256())]);
  } finally {
    await checkpoint.close();
  }
}

/** What a task asks: its questions, whatever file they come from. @throws as `openTask` */
export async function taskIdentity(spec: string, options: TaskOptions): Promise<string> {
  const task = await openTask(spec, options);
  return digest([task.name, task.kind, task.rows.map(({question}) => question)]);
}

import {Checkpoint} from '../checkpoint/index.js';
import {jsonSha256} from '../files/index.js';
import {openTask, type TaskOptions} from '../eval/index.js';
import {readModelConfig} from '../model/index.js';

/** What a source is, whatever it is called: its weights and its config. */
export async function sourceIdentity(source: string): Promise<string> {
  const checkpoint = await Checkpoint.open(source);
  try {
    const {base} = await readModelConfig(checkpoint.folder);
    return jsonSha256([base, Object.values(await checkpoint.sha256())]);
  } finally {
    await checkpoint.close();
  }
}

/** What a task asks: its questions, whatever file they come from. @throws as `openTask` */
export async function taskIdentity(spec: string, options: TaskOptions): Promise<string> {
  const task = await openTask(spec, options);
  return jsonSha256([task.name, task.kind, task.rows.map(({question}) => question)]);
}

import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** A temporary folder of a test. */
export interface TempFolder {
  /** A path inside it. */
  path(...parts: string[]): string;
  remove(): Promise<void>;
}

export async function makeTempFolder(): Promise<TempFolder> {
  const root = await mkdtemp(join(tmpdir(), 'ztt-test-'));
  return {
    path: (...parts) => join(root, ...parts),
    remove: () => rm(root, {recursive: true, force: true}),
  };
}

import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach} from 'vitest';

/** A temporary folder of a test. */
export interface TempFolder {
  /** A path inside it. */
  path(...parts: string[]): string;
}

/** A temporary folder that whoever made it removes. */
export interface OwnTempFolder extends TempFolder {
  remove(): Promise<void>;
}

export async function makeTempFolder(): Promise<OwnTempFolder> {
  const root = await mkdtemp(join(tmpdir(), 'ztt-test-'));
  return {
    path: (...parts) => join(root, ...parts),
    remove: () => rm(root, {recursive: true, force: true}),
  };
}

/**
 * A temporary folder that is new for each test of the file, or of the `describe` that this is called in. It is there in
 * every hook that is registered after this call, and goes after theirs.
 */
export const freshTempFolder = (): TempFolder => folderBetween(beforeEach, afterEach);

/** As `freshTempFolder`, but one for all tests of the file or `describe`. */
export const sharedTempFolder = (): TempFolder => folderBetween(beforeAll, afterAll);

function folderBetween(
  before: (run: () => Promise<void>) => void,
  after: (run: () => Promise<void>) => void,
): TempFolder {
  let folder: OwnTempFolder | undefined;
  before(async () => {
    folder = await makeTempFolder();
  });
  after(async () => {
    await folder?.remove();
    folder = undefined;
  });
  return {
    path: (...parts) => {
      if (!folder) throw new Error('There is no temporary folder yet: use it in a test or in a hook.');
      return folder.path(...parts);
    },
  };
}

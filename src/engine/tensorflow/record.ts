import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {EngineError} from '../../errors.js';
import {BUILT} from './folder.js';

/** Where libtensorflow comes from: a pip-installed TensorFlow, a folder with `include` and `lib`, or the download. */
export const sourceSchema = z.object({
  kind: z.enum(['pip', 'folder', 'download']),
  /** The Python, the folder, or the address. */
  from: z.string(),
});
export type LibrarySource = z.output<typeof sourceSchema>;

const recordSchema = z.object({
  format: z.literal(1),
  /** The npm package whose sources it is built from, as `name@version`. */
  package: z.string(),
  /** libtensorflow's version. */
  tensorflow: z.string(),
  source: sourceSchema,
  /** The shared libraries that the binding loads. */
  libraries: z.array(z.string()).min(1),
  /** `linux-x64`: a home folder may be shared by unlike machines. */
  machine: z.string(),
});

/** What `engine.json` beside a built binding says of it. */
export type BuiltRecord = z.output<typeof recordSchema>;

/**
 * The record of what lies in the folder; null if nothing does.
 * @throws EngineError for a record that is none
 */
export function readRecord(folder: string): BuiltRecord | null {
  const path = join(folder, BUILT.record);
  if (!existsSync(path)) return null;
  try {
    return recordSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new EngineError(
      `${path} is no record of this version of ztt; \`ztt engines install tensorflow --force\` builds it anew.`,
      {cause: error},
    );
  }
}

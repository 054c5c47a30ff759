import {existsSync, readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {z} from 'zod';
import {EngineError} from '../../errors.js';

/** The environment variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder for what programs keep for a user, by the platform's habit; `XDG_DATA_HOME` goes before it. */
function dataHome(env: Environment, platform: NodeJS.Platform): string {
  if (env.XDG_DATA_HOME) return env.XDG_DATA_HOME;
  if (platform === 'win32') return env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support');
  return join(homedir(), '.local', 'share');
}

/** Where `ztt engines install tensorflow` puts what it builds. */
export const tensorflowFolder = (env: Environment = process.env, platform = process.platform): string =>
  join(dataHome(env, platform), 'ztt', 'engines', 'tensorflow');

/** The names in that folder. */
export const BUILT = {record: 'engine.json', binding: 'tfjs_binding.node', package: 'tfjs-node'} as const;

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

/** This machine, as a record names it. */
export const thisMachine = (): string => `${process.platform}-${process.arch}`;

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

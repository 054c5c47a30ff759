import {homedir} from 'node:os';
import {join} from 'node:path';

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

/** This machine, as a record names it. */
export const thisMachine = (): string => `${process.platform}-${process.arch}`;

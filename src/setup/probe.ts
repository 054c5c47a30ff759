import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {z} from 'zod';
import {EngineError} from '../errors.js';
import {parseWith} from '../files/index.js';
import {tensorflowEnvironment, type Environment} from '../engine/index.js';

const PROBE = `
const binding = require(process.argv[1]);
process.stdout.write(JSON.stringify({version: binding.TF_Version, gpu: binding.isUsingGpuDevice()}));
`;
const probeSchema = z.object({version: z.string(), gpu: z.boolean()});

/** The answer of a built binding: libtensorflow's version, and whether it has found a GPU. */
export type Probe = z.output<typeof probeSchema>;

/**
 * Loads a built binding in a process of its own, which a broken library may take down.
 * @throws EngineError with what the loader said
 */
export async function probeBinding(
  binding: string,
  {env, signal}: {env: Environment; signal?: AbortSignal},
): Promise<Probe> {
  const {stdout} = await promisify(execFile)(process.execPath, ['-e', PROBE, binding], {
    env: {...env, ...tensorflowEnvironment(env, [], undefined)},
    signal,
    timeout: 300_000,
  }).catch((error: Error & {stderr?: string; signal?: string}) => {
    if (signal?.aborted) throw error;
    const said = /error: (.*)$/im.exec(error.stderr ?? '')?.[1];
    const why = said ?? `its process ended with ${error.signal ?? 'an error'}`;
    throw new EngineError(`the binding was built and does not load: ${why}.`, {cause: error});
  });
  return parseWith(probeSchema, JSON.parse(stdout), 'what the binding said');
}

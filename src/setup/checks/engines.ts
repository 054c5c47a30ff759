import {listEngines, nvidiaGpus, type EngineStatus} from '../../engine/index.js';
import type {ExaminedMachine, Finding} from '../finding.js';

/** Engines of which one must run; `cpu` is a reference for tests, on which nobody would train. */
const ONE_OF = ['native', 'wasm'];

/** Each engine, as `ztt engines` lists it. That none for real work runs is a failure; one that does not, a warning. */
export async function engineChecks({env}: ExaminedMachine): Promise<Finding[]> {
  const engines = await listEngines();
  const works = engines.some(({name, info}) => ONE_OF.includes(name) && info !== null);
  const hasGpu = (await nvidiaGpus(env)).length > 0;
  return engines.map((engine) => (missesGpu(engine, hasGpu) ? withoutGpu(engine) : finding(engine, works)));
}

function finding({name, info, reason}: EngineStatus, works: boolean): Finding {
  const check = `engine ${name}`;
  if (info) {
    const note = info.note ? `; ${info.note}` : '';
    return {check, verdict: 'ok', found: `${info.device}, version ${info.version}${note}`};
  }
  const advice = reason!.replace(`engine ${name} cannot run: `, '');
  return {
    check,
    verdict: !works && ONE_OF.includes(name) ? 'failed' : 'warning',
    found: 'cannot run',
    advice,
  };
}

/** Tells if TensorFlow computes on the CPU although the machine has a GPU for it. */
const missesGpu = ({name, info}: EngineStatus, hasGpu: boolean): boolean =>
  name === 'tensorflow' && info?.hardware === 'cpu' && hasGpu;

const withoutGpu = ({name, info}: EngineStatus): Finding => ({
  check: `engine ${name}`,
  verdict: 'warning',
  found: `${info!.device}, version ${info!.version}, without the GPU`,
  advice:
    'this TensorFlow finds no GPU; `pip install tensorflow[and-cuda]` has what it needs, and `DEBUG=1 ztt engines` ' +
    'shows what it says of those it looked at.',
});

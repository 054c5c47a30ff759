import {listEngines, type EngineStatus} from '../../engine/index.js';
import type {Finding} from '../doctor.js';

/** Engines of which one must run; `cpu` is a reference for tests, on which nobody would train. */
const ONE_OF = ['native', 'wasm'];

/** Each engine, as `ztt engines` lists it. That none for real work runs is a failure; one that does not, a warning. */
export async function engineChecks(): Promise<Finding[]> {
  const engines = await listEngines();
  const works = engines.some(({name, info}) => ONE_OF.includes(name) && info !== null);
  return engines.map((engine) => finding(engine, works));
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

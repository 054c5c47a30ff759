import {engineChecks} from './checks/engines.js';
import {graphicsChecks} from './checks/graphics.js';
import {hubChecks} from './checks/hub.js';
import {systemChecks} from './checks/system.js';
import type {ExaminedMachine, Finding} from './finding.js';

/** The whole examination. */
export interface Examination {
  /** True if nothing failed. */
  ok: boolean;
  findings: Finding[];
}

/** Looks at all that ztt builds on, without the network: the system, the Hub's settings, GPUs and engines. */
export async function examine(machine: Partial<ExaminedMachine> = {}): Promise<Examination> {
  const {env = process.env, cwd = process.cwd(), node = process.versions.node} = machine;
  const examined = {env, cwd, node};
  const findings: Finding[] = [];
  for (const checks of [systemChecks, hubChecks, graphicsChecks, engineChecks]) {
    findings.push(...(await checks(examined)));
  }
  return {ok: findings.every(({verdict}) => verdict !== 'failed'), findings};
}

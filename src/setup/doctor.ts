import {engineChecks} from './checks/engines.js';
import {graphicsChecks} from './checks/graphics.js';
import {hubChecks} from './checks/hub.js';
import {systemChecks} from './checks/system.js';
import type {Environment} from '../engine/index.js';

/** What a check comes to: `failed` is what ztt cannot do without, `warning` what it does less well without. */
export type Verdict = 'ok' | 'warning' | 'failed';

/** One line of the examination. */
export interface Finding {
  check: string;
  verdict: Verdict;
  /** What was found. */
  found: string;
  /** What to do about it; where the verdict is ok, there is nothing. */
  advice?: string;
}

/** What is examined; the process's own by default. */
export interface ExaminedMachine {
  env: Environment;
  /** The current folder. */
  cwd: string;
  /** Node's version: `20.12.0`. */
  node: string;
}

/** The whole examination. */
export interface Examination {
  /** Whether nothing failed. */
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

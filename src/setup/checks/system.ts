import {existsSync} from 'node:fs';
import {mkdtemp, rmdir} from 'node:fs/promises';
import {totalmem} from 'node:os';
import {dirname, join} from 'node:path';
import {freeBytes} from '../../files/index.js';
import {cacheFolder} from '../../data/index.js';
import {availableMemory} from '../../engine/index.js';
import {hubCache} from '../../hub/index.js';
import {compilerModule} from '../compile.js';
import type {ExaminedMachine, Finding, Verdict} from '../finding.js';

/** The oldest Node that works; `engines` in package.json says the same. */
const OLDEST_NODE = [20, 12] as const;
/** GPT-2 small takes about so much to fine-tune with a small batch (`ztt finetune --dry-run`). */
const MEMORY = 4e9;
/** GPT-2 small and a run of it with some checkpoints. */
const DISK = 5e9;
/** With less than this, nothing can be written. */
const LEAST_DISK = 50e6;

/** Node, compiler, memory and disks. */
export async function systemChecks({env, cwd, node}: ExaminedMachine): Promise<Finding[]> {
  return [
    nodeVersion(node),
    await compiler(env),
    memory(),
    await folder('current folder', cwd, 'warning', 'change'),
    await folder('Hub cache', hubCache(env), 'failed', 'set HF_HOME'),
    await folder('token cache', cacheFolder(env), 'failed', 'set ZTT_CACHE'),
  ];
}

function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  const check = 'Node';
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) {
    return {check, verdict: 'ok', found: version};
  }
  return {
    check,
    verdict: 'failed',
    found: version,
    advice: `install Node ${OLDEST_NODE.join('.')} or newer: nodejs.org has it.`,
  };
}

async function compiler(env: ExaminedMachine['env']): Promise<Finding> {
  const {findCompiler} = await compilerModule();
  const check = 'C++ compiler';
  return findCompiler({env}).then(
    (found) => ({check, verdict: 'ok', found}),
    (error: Error) => ({
      check,
      verdict: 'warning',
      found: 'none that runs',
      advice: `${error.message}. The native engine and \`ztt engines install\` are built with it.`,
    }),
  );
}

function memory(): Finding {
  const available = availableMemory();
  const found = `${gigabytes(available)} of ${gigabytes(totalmem())} available`;
  if (available >= MEMORY) return {check: 'memory', verdict: 'ok', found};
  return {
    check: 'memory',
    verdict: 'warning',
    found,
    advice:
      `to fine-tune GPT-2 small takes about ${gigabytes(MEMORY)}; \`ztt finetune --dry-run\` tells what a run takes, ` +
      'and --checkpoint-cycles, --seq-len and --batch-size make it less.',
  };
}

/**
 * Checks that a folder (or the place where it would be made) can be written to, and measures the free disk space.
 * @param worst - the verdict if it cannot be written to
 */
async function folder(check: string, path: string, worst: Verdict, elsewhere: string): Promise<Finding> {
  const there = nearest(path);
  const trouble = await tryWriting(there);
  if (trouble !== null) {
    const found = `${path} cannot be written to (${trouble})`;
    return {check, verdict: worst, found, advice: `${elsewhere} to a folder that you may write to.`};
  }
  const free = await freeBytes(there);
  const found = `${path}, ${gigabytes(free)} free`;
  if (free >= DISK) return {check, verdict: 'ok', found};
  return {
    check,
    verdict: free < LEAST_DISK ? worst : 'warning',
    found,
    advice: `make room, or ${elsewhere} to a folder on another disk: a model and its runs take some ${gigabytes(DISK)}.`,
  };
}

/** Why nothing can be made in a folder; null if it can. What permissions say is not all. */
async function tryWriting(path: string): Promise<string | null> {
  try {
    await rmdir(await mkdtemp(join(path, '.ztt-doctor-')));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

/** The folder itself, or the one above it that is there. */
function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

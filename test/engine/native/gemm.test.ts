/**
 * The engine's own test program (native/test), which needs a compiler and no Node: the pool, and products against
 * sums in double precision at odd shapes, on each instruction set that this CPU has and at several thread counts.
 */
import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {beforeAll, describe, expect, it} from 'vitest';
import {buildNative} from '../../../native/build.mjs';
import {cover} from '../../helpers/matrix.js';

const execute = promisify(execFile);
const SETS = {x64: ['portable', 'avx2', 'avx512'], arm64: ['portable', 'neon']}[process.arch as string] ?? [
  'portable',
];

describe.skipIf(process.platform === 'win32')('the engine below Node', () => {
  let program = '';
  beforeAll(async () => {
    const built = await buildNative({test: true, quiet: true});
    if (!built.ok) throw new Error(built.reason);
    program = built.path;
  });

  for (const {case: set, variants} of cover(SETS, [1, 2, 3])) {
    for (const threads of variants) {
      it(`multiplies, the same bits always: ${set}, ${threads} threads`, async () => {
        const env = {...process.env, ZTT_CPU: set, ZTT_TEST_THREADS: String(threads)};
        const {stdout} = await execute(program, [], {env});
        // A set that this CPU lacks is told by the name of the one used instead.
        expect(stdout).toMatch(/^(portable|avx2|avx512|neon), \d threads: \d{6,} checks, 0 failed\n$/);
      });
    }
  }
});

it('tells why there is no engine where no compiler works', async () => {
  const {stderr} = await execute(process.execPath, ['native/build.mjs', '--sanitize'], {
    env: {...process.env, CXX: '/nowhere/c++'},
  }).catch((error: {stderr: string}) => error);
  expect(stderr).toBe('native engine: the C++ compiler that $CXX names (/nowhere/c++) does not run\n');
});

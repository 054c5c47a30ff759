/**
 * Runs the native engine under the address and undefined-behaviour sanitizers: its own test program, then the tests
 * that use the addon, with a build of it that checks every access. Linux, with a compiler that has the sanitizers.
 *
 *   npm run sanitize                       the native tests and the oracle on native
 *   npm run sanitize -- test/finetune      other tests
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {buildNative} from './build.mjs';

/** Runs a command with the terminal's streams; ends the process if it fails. */
function run(command, args, env) {
  const {status, error} = spawnSync(command, args, {stdio: 'inherit', env: {...process.env, ...env}});
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

async function build(options) {
  const built = await buildNative({...options, sanitize: true});
  if (built.ok) return built.path;
  console.error(`${built.reason}\n${built.detail}`);
  return process.exit(1);
}

const program = await build({test: true});
const addon = await build({});
run(program, []);
// Node itself is built without the sanitizers: their library must be there before it.
const library = execFileSync(process.env.CXX ?? 'c++', ['-print-file-name=libasan.so'], {
  encoding: 'utf8',
}).trim();
const tests = process.argv.slice(2);
run(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    ...(tests.length > 0 ? tests : ['test/engine/native', 'test/model']),
  ],
  {
    LD_PRELOAD: library,
    // Node frees nothing when it ends.
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'halt_on_error=1',
    ZTT_ADDON: addon,
  },
);

/**
 * `npm run bench`: all benchmarks, one after the other, beside PyTorch where a Python with torch is given.
 *
 *   npm run bench -- [--python PATH] [--threads N]
 */
import {spawnSync} from 'node:child_process';
import {fileURLToPath} from 'node:url';

const given = process.argv.slice(2);
/** The benches that can run PyTorch beside them and that take threads. */
const COMPUTING = ['sgemm', 'training'];
for (const name of [...COMPUTING, 'wasm-matmul', 'convert', 'download']) {
  console.log(`\n== bench/${name}.ts`);
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const flags = COMPUTING.includes(name) ? given : [];
  const {status} = spawnSync(process.execPath, [...process.execArgv, file, ...flags], {stdio: 'inherit'});
  if (status !== 0) process.exit(status ?? 1);
}

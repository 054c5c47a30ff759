/**
 * Runs command lines one after the other in this process, for `cli` in cli.ts, which forks it: to start a process for each
 * takes longer than most commands do. It runs what bin/run.js runs, with streams that end up in the answer.
 */
import {Buffer} from 'node:buffer';
import {runWords} from '../../dist/ui/run-cli.js';

const ENTRY = new URL('../../bin/run.js', import.meta.url).href;
const plainConsole = {...console};

/** Collects what is written to a stream. */
function collect(stream) {
  const chunks = [];
  stream.write = (chunk, encoding, done) => {
    chunks.push(Buffer.from(chunk, typeof encoding === 'string' ? encoding : undefined));
    const callback = typeof encoding === 'function' ? encoding : done;
    if (callback) process.nextTick(callback);
    return true;
  };
  return () => Buffer.concat(chunks.splice(0)).toString();
}

const [stdout, stderr] = [collect(process.stdout), collect(process.stderr)];
const home = process.cwd();

process.on('message', async ({words, env, cwd}) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  Object.assign(console, plainConsole);
  process.chdir(cwd ?? home);
  process.exitCode = undefined;
  const code = await runWords(words, ENTRY);
  process.exitCode = undefined;
  process.send({code, stdout: stdout(), stderr: stderr()});
});
process.on('disconnect', () => process.exit());

/** The C++ compiler of this machine: which it is, and how it is run. */
import {spawn} from 'node:child_process';

const COMPILERS = ['c++', 'g++', 'clang++'];

/**
 * The first C++ compiler that answers; $CXX names another.
 * @param {{env?: Record<string, string | undefined>}} options - `env`: the environment, of which PATH and CXX count
 */
export async function findCompiler({env = process.env} = {}) {
  const candidates = env.CXX ? [env.CXX] : COMPILERS;
  for (const candidate of candidates) {
    if (
      await execute(candidate, ['--version'], {env}).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  const install =
    process.platform === 'darwin' ? 'xcode-select --install' : "your system's g++ or clang package";
  throw new Error(
    env.CXX
      ? `the C++ compiler that $CXX names (${env.CXX}) does not run`
      : `no C++ compiler (${COMPILERS.join(', ')}) was found; install one: ${install}`,
  );
}

/**
 * Runs a compiler. The error's message is one line, the first that tells of an error; `detail` is all it said.
 * @param {string} command - the program, and perhaps its first arguments after blanks
 * @param {string[]} args
 * @param {{env?: Record<string, string | undefined>, signal?: AbortSignal}} options
 */
export function execute(command, args, {env, signal} = {}) {
  return new Promise((resolve, reject) => {
    const [program, ...first] = command.split(' ');
    const child = spawn(program, [...first, ...args], {env, signal, stdio: ['ignore', 'pipe', 'pipe']});
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    child.stderr.on('data', (chunk) => (said += chunk));
    child.on('error', (error) => reject(new Error(`${command} could not be run: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const lines = said.split('\n');
      const why = lines.find((line) => /error/i.test(line)) ?? lines[0];
      reject(Object.assign(new Error(`${command} failed (${code}): ${why.trim()}`), {detail: said}));
    });
  });
}

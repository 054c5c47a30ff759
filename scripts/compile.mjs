/**
 * Compiles src/ into dist/ without checking types, in half a second: what threads, forked processes and `bin/run.js` run
 * is then never older than the sources. The tests, the demo, the bench and `bin/dev.js` begin with it.
 *
 *   node scripts/compile.mjs
 *
 * Also a function, `compile`. `npm run build` checks types and writes declarations; a package is made of that.
 */
import {existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath, URL} from 'node:url';
import {build} from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Brings dist/ up to date. A file that is as it would be written stays untouched.
 * @param {string} root - the folder that has src/ and dist/
 * @throws Error where a source does not parse
 */
export async function compile(root = ROOT) {
  const [sources, output] = [join(root, 'src'), join(root, 'dist')];
  const names = readdirSync(sources, {recursive: true}).filter((name) => name.endsWith('.ts'));
  const {outputFiles} = await build({
    entryPoints: names.map((name) => join(sources, name)),
    absWorkingDir: root,
    outdir: output,
    outbase: sources,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'silent',
  });
  for (const {path, text} of outputFiles) {
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    mkdirSync(dirname(path), {recursive: true});
    writeFileSync(path, text);
  }
  removeOrphans(output, new Set(names.map((name) => name.replace(/\.ts$/, ''))));
}

/** Removes what was compiled from sources that are gone: the command line would still find such commands. */
function removeOrphans(output, stems) {
  for (const name of readdirSync(output, {recursive: true})) {
    const stem = name.replace(/(\.d\.ts|\.js)$/, '');
    if (stem !== name && !stems.has(stem)) rmSync(join(output, name));
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await compile();

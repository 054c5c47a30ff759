const ROOT = new URL('./', import.meta.url).href;

/**
 * The compiled form of a source file, for a thread or a forked process, which reads no TypeScript. It lies beside the
 * file that asks, or in dist/ where the sources run; `scripts/compile.mjs` brings that up to date before tests.
 * @param path - the file, relative to the one that asks: `./worker.js`
 * @param from - `import.meta.url` of the file that asks
 */
export function compiledFile(path: string, from: string): URL {
  const {href} = new URL(path, from);
  return from.endsWith('.ts') ? new URL(`../dist/${href.slice(ROOT.length)}`, ROOT) : new URL(href);
}

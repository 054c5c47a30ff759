import type {TestProject} from 'vitest/node';
import {buildNative} from '../../native/build.mjs';
import {compile} from '../../scripts/compile.mjs';

/**
 * Before all tests, and before they run again in watch mode: brings up to date what they run beside the sources, which
 * is dist/ (threads, forked processes and the command line) and the native engine. What is up to date is left alone.
 */
export default async function build(project: TestProject): Promise<void> {
  const buildAll = async () => {
    await compile();
    const native = await buildNative();
    if (!native.ok) console.warn(`native engine: ${native.reason}`);
  };
  await buildAll();
  project.onTestsRerun(buildAll);
}

import {existsSync} from 'node:fs';
import {hasAddon, PACKAGE, requireAddon} from '../../addon.js';
import {ARGUMENTS, byName, ENUMS, type Binding} from './calls.js';

const BUILD = new URL('native/build.mjs', PACKAGE);

/** What `native/build.mjs` exports. */
interface BuildModule {
  buildNative: (options: {
    quiet: boolean;
  }) => Promise<{ok: true; built: boolean} | {ok: false; reason: string}>;
}

let loaded: Binding | undefined;

/**
 * The addon, built first where it is not yet.
 * @returns the binding and whether it was built just now, or why it cannot be had
 */
export async function loadBinding(): Promise<
  {ok: true; binding: Binding; built: boolean} | {ok: false; reason: string}
> {
  if (loaded) return {ok: true, binding: loaded, built: false};
  let built = false;
  if (!hasAddon()) {
    if (!existsSync(BUILD)) return {ok: false, reason: 'this installation lacks native/build.mjs'};
    const {buildNative} = (await import(BUILD.href)) as BuildModule;
    const result = await buildNative({quiet: true});
    if (!result.ok) return result;
    built = result.built;
  }
  try {
    loaded = byName(requireAddon(ARGUMENTS, ENUMS) as Parameters<typeof byName>[0]);
  } catch (error) {
    return {ok: false, reason: `the addon does not load: ${(error as Error).message}`};
  }
  return {ok: true, binding: loaded, built};
}

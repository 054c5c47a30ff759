import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';

/** The package's root. */
export const PACKAGE = new URL('../', import.meta.url);
/** The native addon; $ZTT_ADDON names another, such as one built with sanitizers. */
const ADDON = process.env.ZTT_ADDON ?? fileURLToPath(new URL('native/build/ztt.node', PACKAGE));

/** Names by function or enumeration: the arguments, or the members, in order. */
export type Names = Record<string, readonly string[]>;

/** What the addon says of itself: names in order, as text. */
interface Described {
  signatures?: Record<string, string>;
  enums?: Record<string, string>;
}

/** Whether the addon is built. */
export const hasAddon = (): boolean => existsSync(ADDON);

/**
 * The addon's functions, whose types their callers know.
 * @param functions - those that the caller uses, each with the names of its arguments
 * @param enums - the enumerations that the caller uses, each with its members
 * @throws Error if it is not there, does not load, or was built from sources that say otherwise
 */
export function requireAddon(functions: Names, enums: Names = {}): unknown {
  const addon = createRequire(import.meta.url)(ADDON) as Described;
  requireSame(functions, addon.signatures);
  requireSame(enums, addon.enums);
  return addon;
}

function requireSame(wanted: Names, described: Record<string, string> = {}): void {
  for (const [name, names] of Object.entries(wanted)) {
    const found = described[name];
    if (found === names.join(', ')) continue;
    const says = found === undefined ? 'is not there' : `is ${name}(${found})`;
    throw new Error(
      `it was built from other sources: ${name}(${names.join(', ')}) ${says}; run \`node native/build.mjs\``,
    );
  }
}

import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';

/** The package's root. */
export const PACKAGE = new URL('../', import.meta.url);
/** The native addon; $ZTT_ADDON names another, such as one built with sanitizers. */
const ADDON = process.env.ZTT_ADDON ?? fileURLToPath(new URL('native/build/ztt.node', PACKAGE));

/** Whether the addon is built. */
export const hasAddon = (): boolean => existsSync(ADDON);

/** The addon's functions, whose types their callers know. @throws Error if it is not there or does not load */
export const requireAddon = (): unknown => createRequire(import.meta.url)(ADDON);

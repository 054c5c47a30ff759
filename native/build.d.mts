export interface BuildOptions {
  /** Say nothing. */
  quiet?: boolean;
  /** With address and undefined-behaviour checks, or with thread checks. */
  sanitize?: boolean | 'thread';
  /** The engine's own test program instead of the addon. */
  test?: boolean;
  /** Where a line goes; standard error by default. */
  log?: (line: string) => void;
}

/** `reason` is one line; `detail` is what the compiler said, if it said anything. */
export type BuildResult =
  {ok: true; path: string; built: boolean} | {ok: false; reason: string; detail: string};

/** Builds what is not up to date. Never throws: what went wrong is in `reason`. */
export function buildNative(options?: BuildOptions): Promise<BuildResult>;

/** Where the addon lies once it is built. */
export function addonPath(sanitize?: boolean | 'thread'): string;

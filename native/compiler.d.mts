export interface CompilerEnvironment {
  /** Of which PATH and CXX count; the process's own by default. */
  env?: Record<string, string | undefined>;
}

/** The first C++ compiler that answers. @throws Error in one line, with what to install */
export function findCompiler(options?: CompilerEnvironment): Promise<string>;

/** Runs a compiler. @throws Error whose message is one line, and whose `detail` is all that it said */
export function execute(
  command: string,
  args: readonly string[],
  options?: CompilerEnvironment & {signal?: AbortSignal},
): Promise<void>;

/**
 * The errors a user can meet. A message names what was wrong, where (file, tensor, line, flag, value), and
 * what to do. The command line prints the message alone and exits with `exitCode`.
 */
export class ZttError extends Error {
  /** The process exit code: 1 failed, 2 wrong usage, 130 interrupted. */
  readonly exitCode: number = 1;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An option, flag or argument that cannot be. */
export class UsageError extends ZttError {
  override readonly exitCode = 2;
}

/** A file or folder that is missing, unreadable, or would be overwritten. */
export class FileError extends ZttError {}

/** A checkpoint, config, index or tokenizer file whose content breaks its format's rules. */
export class FormatError extends ZttError {}

/** A well-formed checkpoint of a kind that ztt does not handle. */
export class UnsupportedError extends ZttError {}

/** An engine that was asked for and cannot run here. */
export class EngineError extends ZttError {}

/** A refusal or failure of the Hugging Face Hub. */
export class HubError extends ZttError {}

/** A job stopped by the user; what was done is saved and the message says how to go on. */
export class InterruptedError extends ZttError {
  override readonly exitCode = 130;
}

/** The most characters of a name from outside that a message shows. */
const SHOWN = 100;

/** A name from outside as a message shows it: in quotes, and no longer than a line. */
export const quoted = (name: string): string =>
  JSON.stringify(name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name);

/** Checks an option that counts something. @throws UsageError naming the option, its value and what it may be */
export function requireWhole(option: string, value: number, min: number, max: number): void {
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    throw new UsageError(`${option} is ${value}; it must be a whole number from ${min} to ${max}.`);
  }
}

import {InterruptedError} from '../errors.js';

/** Ctrl-C as a library understands it. */
export interface Interruption {
  /** Aborts at the first Ctrl-C, with an InterruptedError as its reason. */
  signal: AbortSignal;
  /** Gives Ctrl-C its usual meaning back. */
  release(): void;
}

/**
 * Turns the first Ctrl-C into an abort, so that the work at hand can save or clean up; the second quits at once.
 * @param outcome - what the user should know once it stopped
 * @param note - prints a line
 */
export function interruption(outcome: string, note: (line: string) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(new InterruptedError('').exitCode);
    note('Stopping; Ctrl-C again quits at once.');
    controller.abort(new InterruptedError(outcome));
  };
  process.on('SIGINT', onSignal);
  return {signal: controller.signal, release: () => void process.off('SIGINT', onSignal)};
}

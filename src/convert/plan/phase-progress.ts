/** What a conversion is at. */
export type ConvertPhase = 'copying' | 'verifying' | 'comparing';

export interface PhaseListener {
  onPhase?: (phase: ConvertPhase) => void;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** Adds up a phase's bytes, reports them, and stops the work when it is asked to. */
export class PhaseProgress {
  private done = 0;
  private total = 0;

  constructor(private readonly listener: PhaseListener) {}

  begin(phase: ConvertPhase, totalBytes: number): void {
    this.listener.signal?.throwIfAborted();
    [this.done, this.total] = [0, totalBytes];
    this.listener.onPhase?.(phase);
  }

  /** @throws the signal's reason if the work is to stop */
  readonly advance = (bytes: number): void => {
    this.listener.signal?.throwIfAborted();
    this.done += bytes;
    if (this.total > 0) this.listener.onProgress?.(this.done, this.total);
  };
}

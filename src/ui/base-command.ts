import {Command, Errors, Flags} from '@oclif/core';
import type {FetchedModel, HubDataset, ModelWeights} from '../hub/index.js';
import {asUsageError, failureOf} from './failure.js';
import {bytes} from './format.js';
import {interruption, type Interruption} from './interrupt.js';
import {Progress, type ProgressOptions} from './progress.js';

/**
 * What every command shares: `--json`, notes and progress on stderr, Ctrl-C.
 *
 * `run` returns the result. Under `--json` it goes to stdout as one JSON document and nothing else does; an
 * error is then `{"error": {"name", "message", "exitCode"}}` there, and still a line on stderr. Exit codes are
 * the same with and without it.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = {
    json: Flags.boolean({description: 'Print the result as one JSON document.', helpGroup: 'GLOBAL'}),
  };

  private interrupted: Interruption | null = null;
  private shown: Progress | null = null;

  protected override async init(): Promise<void> {
    await super.init();
    if (this.jsonEnabled()) keepStdoutForResult();
  }

  /** Prints a line for people: on stderr, and not where only a program reads. */
  protected note(line: string): void {
    if (!this.quiet) this.tell(line);
  }

  private tell(line: string): void {
    if (this.shown && !this.quiet) this.shown.note(line);
    else process.stderr.write(`${line}\n`);
  }

  /** Prints lines that no reader may miss, such as a choice between contradicting files: on stderr, always. */
  protected warnOf(lines: readonly string[]): void {
    for (const line of lines) this.tell(line);
  }

  /** Shows a job's progress until the command ends. */
  protected async progress(options: ProgressOptions): Promise<Progress> {
    this.shown?.stop();
    this.shown = await Progress.start({quiet: this.quiet, ...options});
    return this.shown;
  }

  /**
   * Brings a MODEL argument to this machine, with a bar while a repo of the Hub is looked up and downloaded.
   * @returns its path, name, and commit
   */
  protected async fetchModel(model: string, signal: AbortSignal): Promise<FetchedModel> {
    const {fetchModel} = await import('../hub/index.js');
    const progress = await this.hubProgress(model);
    const onProgress = (done: number, total: number) => progress?.update(done, total);
    const fetched = await fetchModel(model, {signal, onProgress, onNote: (line) => this.note(line)});
    progress?.stop();
    return fetched;
  }

  /** As `fetchModel`, for a command that reads no more of the weights than it must: of a repo, ranges. */
  protected async openModel(model: string, signal: AbortSignal): Promise<ModelWeights> {
    const {openModel} = await import('../hub/index.js');
    const progress = await this.hubProgress(model);
    const opened = await openModel(model, {signal, onNote: (line) => this.note(line)});
    progress?.stop();
    return opened;
  }

  /** Opens a dataset repo of the Hub. `onProgress` is told of its downloads, in bytes. */
  protected async openDataset(
    repo: string,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<HubDataset> {
    const {openDataset} = await import('../hub/index.js');
    return openDataset(repo, {signal, onProgress, onNote: (line) => this.note(line)});
  }

  /** Where the datasets of named tasks come from: a folder if one is given, else the Hub, with its downloads shown. */
  protected taskData(dataFolder: string | undefined, progress: Progress, signal: AbortSignal) {
    return {
      dataFolder,
      openDataset: (repo: string) => {
        progress.begin(`Fetching ${repo}`, bytes);
        return this.openDataset(repo, signal, (done, total) => progress.update(done, total));
      },
    };
  }

  private async hubProgress(model: string): Promise<Progress | null> {
    const {findModel} = await import('../hub/index.js');
    const {kind} = await findModel(model);
    return kind === 'hub' ? this.progress({title: `Fetching ${model}`, amount: bytes}) : null;
  }

  /**
   * Lets the first Ctrl-C stop a library's work in order; the second quits at once. Exit code 130.
   * @param outcome - what the user should know then
   */
  protected interruptible(outcome: string): AbortSignal {
    this.interrupted ??= interruption(outcome, (line) => this.note(line));
    return this.interrupted.signal;
  }

  protected override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  }

  protected override catch(error: Error): Promise<never> {
    this.release();
    const told = asUsageError(error, `${this.config.bin} ${this.id}`);
    if (this.jsonEnabled() && !(told instanceof Errors.ExitError)) this.logJson({error: failureOf(told)});
    return Promise.reject(told);
  }

  protected override finally(): Promise<void> {
    this.release();
    return Promise.resolve();
  }

  private get quiet(): boolean {
    return this.jsonEnabled() && !process.stderr.isTTY;
  }

  private release(): void {
    this.shown?.stop();
    this.shown = null;
    this.interrupted?.release();
    this.interrupted = null;
  }
}

/** Sends what libraries write to the console to stderr: on stdout it would break the JSON document. */
function keepStdoutForResult(): void {
  for (const method of ['log', 'info', 'debug'] as const) {
    console[method] = (...values: unknown[]) => console.error(...values);
  }
}

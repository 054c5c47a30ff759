import {Command, Errors, Flags} from '@oclif/core';
import type {FetchedModel, HubDataset, ModelSource, ModelWeights} from '../hub/index.js';
import type {LoadOptions, Model} from '../model/index.js';
import type {Tokenizer} from '../tokenizer/index.js';
import {flagsMeant} from './did-you-mean.js';
import {asUsageError, failureOf} from './failure.js';
import {bytes} from './format.js';
import {interruption, type Interruption} from './interrupt.js';
import {printable, printableJson} from './printable.js';
import {Progress, type ProgressOptions} from './progress.js';

/** A model that a command runs. */
export interface LoadedModel {
  /** Where its config.json and tokenizer lie. */
  folder: string;
  tokenizer: Tokenizer;
  /** The caller disposes of it. */
  model: Model;
}

/**
 * The base of all commands: `--json`, notes and progress on stderr, Ctrl-C.
 *
 * `run` returns the result. Under `--json` the result is the only output on stdout, as one JSON document; an
 * error is then `{"error": {"name", "message", "exitCode"}}` there, and still a line on stderr. Exit codes are
 * the same with and without it.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  /** Flags of other commands, and what takes their place in this one, behind `--`. */
  static elsewhere: Readonly<Record<string, string>> = {};
  static override baseFlags = {
    json: Flags.boolean({description: 'Print the result as one JSON document.', helpGroup: 'GLOBAL'}),
  };

  private interrupted: Interruption | null = null;
  private shown: Progress | null = null;

  protected override async init(): Promise<void> {
    await super.init();
    if (this.jsonEnabled()) keepStdoutForResult();
  }

  /** Prints a line for people, on stderr. Nothing is printed if only a program reads. */
  protected note(line: string): void {
    if (!this.quiet) this.tell(line);
  }

  private tell(line: string): void {
    const text = printable(line);
    if (this.shown && !this.quiet) this.shown.note(text);
    else process.stderr.write(`${text}\n`);
  }

  /** Prints lines on stderr in every case, such as a choice between contradicting files. */
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
  protected async fetchModel(model: string | ModelSource, signal: AbortSignal): Promise<FetchedModel> {
    const {fetchModel} = await import('../hub/index.js');
    const {source, progress} = await this.hubProgress(model);
    const onProgress = (done: number, total: number) => progress?.update(done, total);
    const fetched = await fetchModel(source, {signal, onProgress, onNote: (line) => this.note(line)});
    progress?.stop();
    return fetched;
  }

  /** Opens a MODEL argument without downloading its weights: a command reads ranges of a repo's files. */
  protected async openModel(model: string | ModelSource, signal: AbortSignal): Promise<ModelWeights> {
    const {openModel} = await import('../hub/index.js');
    const {source, progress} = await this.hubProgress(model);
    const opened = await openModel(source, {signal, onNote: (line) => this.note(line)});
    progress?.stop();
    return opened;
  }

  /** Loads a model of this machine onto an engine, with its tokenizer, and says what a user should know of them. */
  protected async loadModel(path: string, options: LoadOptions): Promise<LoadedModel> {
    const [{load}, {Tokenizer}, {modelFolder}] = await Promise.all([
      import('../model/index.js'),
      import('../tokenizer/index.js'),
      import('../checkpoint/index.js'),
    ]);
    const folder = await modelFolder(path);
    const tokenizer = await Tokenizer.load(folder);
    const model = await load(path, options);
    this.note(model.engine.why);
    this.warnOf([...model.config.notes, ...tokenizer.notes]);
    return {folder, tokenizer, model};
  }

  /** Opens a dataset repo of the Hub. `onProgress` gets the downloaded bytes. */
  protected async openDataset(
    repo: string,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<HubDataset> {
    const {openDataset} = await import('../hub/index.js');
    return openDataset(repo, {signal, onProgress, onNote: (line) => this.note(line)});
  }

  /** The datasets of named tasks: from the folder if one is given, else from the Hub with a progress bar. */
  protected taskData(dataFolder: string | undefined, progress: Progress, signal: AbortSignal) {
    return {
      dataFolder,
      openDataset: (repo: string) => {
        progress.begin(`Fetching ${repo}`, bytes);
        return this.openDataset(repo, signal, (done, total) => progress.update(done, total));
      },
    };
  }

  private async hubProgress(
    model: string | ModelSource,
  ): Promise<{source: ModelSource; progress: Progress | null}> {
    const {findModel} = await import('../hub/index.js');
    const source = typeof model === 'string' ? await findModel(model) : model;
    if (source.kind === 'local') return {source, progress: null};
    return {source, progress: await this.progress({title: `Fetching ${source.text}`, amount: bytes})};
  }

  /**
   * Lets the first Ctrl-C stop a library's work in order; the second quits at once. Exit code 130.
   * @param outcome - the line that the user reads after the first Ctrl-C
   */
  protected interruptible(outcome: string): AbortSignal {
    this.interrupted ??= interruption(outcome, (line) => this.note(line));
    return this.interrupted.signal;
  }

  protected override logJson(json: unknown): void {
    process.stdout.write(`${printableJson(JSON.stringify(json, null, 2))}\n`);
  }

  /** Prints a result for people; names in it come from files and repos, and may hold anything. */
  override log(message = ''): void {
    super.log(printable(message));
  }

  protected override catch(error: Error): Promise<never> {
    this.release();
    const {elsewhere} = this.ctor as typeof BaseCommand;
    const told = asUsageError(error, `${this.config.bin} ${this.id}`, (refusal) =>
      flagsMeant(refusal, elsewhere),
    );
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

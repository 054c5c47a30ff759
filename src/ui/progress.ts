import type {Ora} from 'ora';
import {count, duration} from './format.js';

export interface ProgressOptions {
  /** The work that goes on, such as `Converting`. */
  title: string;
  /** Formats amounts, for example as `1.50 MB`. Default: plain counts. */
  amount?: (n: number) => string;
  /** Default stderr. */
  stream?: NodeJS.WriteStream;
  /** Show nothing. */
  quiet?: boolean;
  /** Milliseconds of a clock; for tests. */
  now?: () => number;
}

const BAR_CELLS = 20;
/** Off a terminal a line is printed at most this often. */
const LINE_MS = 10_000;
/** A new line also waits until this share of the work is done since the last one. */
const LINE_SHARE = 0.1;
/** After this time a line is printed in any case. */
const LINE_MAX_MS = 60_000;
/** On a terminal the text is renewed at most this often. */
const FRAME_MS = 80;

interface Mark {
  at: number;
  done: number;
}

/** A job's progress on stderr: a bar with rate and time left on a terminal, now and then a plain line elsewhere. */
export class Progress {
  private amount: (n: number) => string = count;
  private rate: (perSecond: number) => string = countRate;
  private readonly now: () => number;
  /** The rate is counted from the first update, since a resumed job begins in the middle. */
  private first: Mark | null = null;
  private line: Mark;
  /** The bar, as it was last shown, and the lines under it. */
  private bar: string;
  private under: readonly string[] = [];
  private frameAt = -Infinity;

  private constructor(
    private title: string,
    options: ProgressOptions,
    private readonly stream: NodeJS.WriteStream,
    private readonly spinner: Ora | null,
  ) {
    if (options.amount) this.readAs(options.amount);
    this.now = options.now ?? (() => performance.now());
    this.line = {at: this.now(), done: 0};
    this.bar = title;
  }

  /** Begins to show. */
  static async start(options: ProgressOptions): Promise<Progress> {
    const stream = options.quiet ? nowhere : (options.stream ?? process.stderr);
    // Some terminals have no size, over which ora would never finish clearing a line.
    if (!stream.isTTY || !stream.columns || process.env.TERM === 'dumb') {
      return new Progress(options.title, options, stream, null);
    }
    const {default: ora} = await import('ora');
    // Raw mode would keep Ctrl-C from us for as long as a step computes.
    const spinner = ora({text: options.title, stream, discardStdin: false, isEnabled: true}).start();
    return new Progress(options.title, options, stream, spinner);
  }

  /** Shows a next part of the job, whose progress begins anew, and whose amounts read otherwise if given. */
  begin(title: string, amount?: (n: number) => string): void {
    this.title = title;
    if (amount) this.readAs(amount);
    this.first = null;
    this.line = {at: this.now(), done: 0};
    this.bar = title;
    this.draw();
  }

  /** Tells how much is done, of how much, and anything worth seeing beside it. */
  update(done: number, total: number, detail = ''): void {
    const at = this.now();
    this.first ??= {at, done};
    if (this.spinner) {
      if (at - this.frameAt < FRAME_MS) return;
      this.frameAt = at;
      this.bar = this.text(at, done, total, detail);
      this.draw();
      // Computing may keep the event loop, and with it the spinner's own timer, for long.
      this.spinner.render();
      return;
    }
    const since = at - this.line.at;
    const share = (done - this.line.done) / total;
    if (since < LINE_MS || (share < LINE_SHARE && since < LINE_MAX_MS)) return;
    this.line = {at, done};
    this.stream.write(`${this.text(at, done, total, detail)}\n`);
  }

  /** Shows lines under the bar from now on, as far as the terminal has room, in place of those before. */
  showUnder(text: string): void {
    this.under = text.split('\n');
    this.draw();
  }

  /** Prints a line that stays. A spinner makes way for it by itself. */
  note(line: string): void {
    this.stream.write(`${line}\n`);
  }

  /** Takes the bar away. */
  stop(): void {
    this.spinner?.stop();
  }

  private draw(): void {
    if (!this.spinner) return;
    const {rows, columns} = this.stream;
    // Beside the bar stands the spinner. A line that wraps would leave its rest behind.
    const under = this.under.slice(0, Math.max(0, rows - 2)).map((line) => line.slice(0, columns - 1));
    this.spinner.text = [this.bar.slice(0, columns - 4), ...under].join('\n');
  }

  private readAs(amount: (n: number) => string): void {
    this.amount = amount;
    this.rate = amount === count ? countRate : (perSecond) => `${amount(perSecond)}/s`;
  }

  private text(at: number, done: number, total: number, detail: string): string {
    const share = total > 0 ? Math.min(1, done / total) : 1;
    const filled = Math.round(share * BAR_CELLS);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)} `;
    const first = this.first!;
    const perSecond = ((done - first.done) * 1000) / (at - first.at);
    const speed =
      at > first.at && perSecond > 0
        ? [this.rate(perSecond), `${duration((total - done) / perSecond)} left`]
        : [];
    const parts = [
      `${this.title} ${this.spinner ? bar : ''}${Math.floor(share * 100)} %`,
      `${this.amount(done)} of ${this.amount(total)}`,
      ...speed,
      ...(detail ? [detail] : []),
    ];
    return parts.join(' · ');
  }
}

/** Slow steps read better by the seconds that each takes. */
function countRate(perSecond: number): string {
  if (perSecond < 1) return `${duration(1 / perSecond)} each`;
  return `${perSecond < 100 ? perSecond.toFixed(1) : count(perSecond)}/s`;
}

/** Takes the place of a stream where nothing is to be shown. */
const nowhere = {isTTY: false, write: () => true} as unknown as NodeJS.WriteStream;

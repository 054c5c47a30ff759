// Text whose depth is seen: coloured on a terminal, marked elsewhere.

/** From few cycles to many, of the terminal's 256 colours: blue, green, yellow, orange, red. */
const SCALE = [33, 36, 71, 178, 208, 203];

/** Tells if a stream shows colours: a terminal does, unless NO_COLOR is set (https://no-color.org). */
export function showsColours(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** Shows pieces of text by the cycles that they took. */
export class DepthText {
  private before: number | null = null;

  /** @param most - the most cycles that there can be */
  constructor(
    private readonly most: number,
    private readonly colours: boolean,
  ) {}

  /** A piece in its colour, or with its number in brackets before it where that is not the last piece's. */
  piece(text: string, cycles: number): string {
    if (text === '') return '';
    const mark = cycles === this.before ? '' : `[${cycles}]`;
    this.before = cycles;
    return this.colours ? this.coloured(text, cycles) : mark + text;
  }

  /** The legend of the colours or brackets. */
  legend(): string {
    if (!this.colours) return '[N]: from here on, tokens that took N cycles';
    const numbers = Array.from({length: this.most}, (_, i) => this.coloured(` ${i + 1} `, i + 1));
    return `cycles: ${numbers.join('')}`;
  }

  private coloured(text: string, cycles: number): string {
    const share = this.most > 1 ? Math.max(0, cycles - 1) / (this.most - 1) : 0;
    const colour = SCALE[Math.round(share * (SCALE.length - 1))]!;
    // Each line by itself: a pager or a wrapped terminal may lose a colour at its end.
    return text.replace(/[^\n]+/g, (line) => `\u001b[38;5;${colour}m${line}\u001b[0m`);
  }
}

import {THREADED_ENGINE_OPTIONS} from '../engine/options.js';
import {TOKEN_BUDGET_OPTIONS} from '../eval/options.js';
import type {GeneratedToken, ModelConfig} from '../model/index.js';
import {GENERATE_OPTIONS} from '../model/options.js';
import {MODEL_FORMS, withDefaults, type OptionTable} from '../options/index.js';
import {
  BaseCommand,
  DepthText,
  flagsOf,
  format,
  modelArg,
  optionsOf,
  printable,
  showsColours,
} from '../ui/index.js';

/** The JSON document of `ztt generate --json`. */
export interface Generated {
  model: string;
  engine: string;
  prompt: string;
  /** The continuation, without special tokens. */
  text: string;
  /** With what the tokenizer puts around a text: OPT's `</s>` before. */
  promptIds: number[];
  /** The continuation's tokens, special ones too. */
  ids: number[];
  /** Slots that ran for each. */
  slots: number[];
  /** Cycles that each took. */
  cycles: number[];
  /** Makes the draws the same again; null where the likeliest token was taken each time. */
  seed: number | null;
  /** `eos`: the model ended the text; `length`: as many tokens as asked for. */
  finish: 'eos' | 'length';
  seconds: number;
}

/** The text to continue, and the way to show it. */
const SHOWN_OPTIONS = {
  prompt: {kind: 'text', help: 'The text to continue', placeholder: 'TEXT', required: true},
  'show-depth': {
    kind: 'switch',
    help: 'Show the cycles that each token took: as colours on a terminal, else as numbers in brackets where they change',
  },
} as const satisfies OptionTable;

/** The threshold that a model's calibration gives for a budget. */
async function thresholdFor(config: ModelConfig, budget: string): Promise<number> {
  const {tokenBudget} = await import('../eval/index.js');
  return tokenBudget(config, budget).threshold;
}

/** `ztt generate`: the continuation of a prompt. */
export default class Generate extends BaseCommand {
  static override summary = 'Continue a text: the likeliest token each time, or drawn.';
  static override description =
    'Prints the prompt and its continuation token by token. With a threshold below 1 each token may exit early by ' +
    "itself. When a text has filled the model's positions, ztt keeps the last half of it and goes on.";
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --prompt "It is a truth universally acknowledged"',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --prompt "Once upon" --threshold 0.3 --show-depth',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --prompt "Once upon" --temperature 0.8 --top-p 0.95 --seed 7 --json',
    {
      description: 'A model of the Hub, which is downloaded if it is not there yet',
      command: '<%= config.bin %> <%= command.id %> facebook/opt-125m --prompt "Once upon"',
    },
  ];

  static override args = {
    model: modelArg({description: `A ZTT model or a source checkpoint: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = {
    ...flagsOf(SHOWN_OPTIONS),
    ...flagsOf(GENERATE_OPTIONS),
    ...flagsOf(TOKEN_BUDGET_OPTIONS),
    ...flagsOf(THREADED_ENGINE_OPTIONS),
  };

  override async run(): Promise<Generated> {
    const {args, flags} = await this.parse(Generate);
    const signal = this.interruptible('stopped.');
    const [{contradictedEnd, generate, readModelConfig, requireExits, sampler, slots}, {modelFolder}] =
      await Promise.all([import('../model/index.js'), import('../checkpoint/index.js')]);
    const given = withDefaults(GENERATE_OPTIONS, optionsOf(GENERATE_OPTIONS, flags));
    const {seed} = sampler(given);
    const {path} = await this.fetchModel(args.model, signal);
    const config = await readModelConfig(await modelFolder(path));
    const options = {
      ...given,
      threshold: flags.budget ? await thresholdFor(config, flags.budget) : given.threshold,
      ...(seed !== null && {seed}),
      signal,
    };
    requireExits(config, options);
    const {model, tokenizer} = await this.loadModel(path, optionsOf(THREADED_ENGINE_OPTIONS, flags));
    const otherEnd = contradictedEnd(model.config.endTokenIds, tokenizer);
    this.warnOf(otherEnd ? [otherEnd] : []);
    const promptIds = tokenizer.encode(flags.prompt);
    const {maxPositions, vocabulary} = model.config.arch;
    tokenizer.requireRows(promptIds, vocabulary, 'the prompt');
    if (promptIds.length > maxPositions) {
      this.note(
        `the prompt has ${promptIds.length} tokens; the model sees the last ${maxPositions} of them.`,
      );
    }
    if (seed !== null) this.note(`seed ${seed}`);
    const shown = flags['show-depth']
      ? new DepthText(model.config.arrangement.cycles, showsColours(process.stdout))
      : null;
    if (shown) this.note(shown.legend());
    const began = performance.now();
    const tokens: GeneratedToken[] = [];
    // Special tokens are no text.
    const decoder = tokenizer.decoder(false);
    let text = '';
    const add = (more: string, cycles: number) => {
      text += more;
      const seen = onTerminal(more);
      this.write(shown ? shown.piece(seen, cycles) : seen);
    };
    this.write(onTerminal(flags.prompt));
    try {
      for await (const token of generate(model, promptIds, options)) {
        tokens.push(token);
        add(decoder.add(token.id), token.cycles);
      }
      add(decoder.end(), tokens.at(-1)?.cycles ?? 0);
    } finally {
      this.write('\n');
    }
    const seconds = (performance.now() - began) / 1000;
    this.note(rate(tokens, seconds, slots(model.config.arrangement).length));
    model.dispose();
    return {
      model: args.model.text,
      engine: model.engine.name,
      prompt: flags.prompt,
      text,
      promptIds,
      ids: tokens.map(({id}) => id),
      slots: tokens.map((token) => token.slots),
      cycles: tokens.map(({cycles}) => cycles),
      seed,
      finish: tokens.length < given.maxNewTokens ? 'eos' : 'length',
      seconds,
    };
  }

  private write(text: string): void {
    if (!this.jsonEnabled()) process.stdout.write(text);
  }
}

function rate(tokens: readonly GeneratedToken[], seconds: number, depth: number): string {
  const total = tokens.reduce((sum, {slots}) => sum + slots, 0);
  const {length} = tokens;
  const mean = length > 0 ? `, ${(total / length).toFixed(1)} of ${depth} slots a token` : '';
  return `${format.plural(length, 'token')} in ${format.duration(seconds)} (${(length / seconds).toFixed(1)} a second)${mean}`;
}

/** A terminal shows what would act on it; a file or a pipe gets the text as it is. */
const onTerminal = (text: string): string => (process.stdout.isTTY ? printable(text) : text);

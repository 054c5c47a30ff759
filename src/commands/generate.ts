import {ENGINES} from '../engine/index.js';
import type {GeneratedToken} from '../model/index.js';
import {
  BaseCommand,
  engineFlag,
  format,
  MODEL_FORMS,
  modelArg,
  someText,
  thresholdFlag,
  threadsFlag,
  wholeNumber,
} from '../ui/index.js';

/** What `ztt generate --json` prints. */
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
  /** `eos`: the model ended the text; `length`: as many tokens as asked for. */
  finish: 'eos' | 'length';
  seconds: number;
}

/** `ztt generate`: greedy continuation of a prompt. */
export default class Generate extends BaseCommand {
  static override summary = 'Continue a text, taking the likeliest token each time.';
  static override description =
    'Prints the prompt and its continuation as it comes. With a threshold below 1 every token may ' +
    'exit early. Each token is computed anew from all before it, so long texts are slow.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --prompt "It is a truth universally acknowledged"',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --prompt "Once upon" --threshold 0.3 --max-new-tokens 20 --json',
    {
      description: 'A model of the Hub, which is downloaded if it is not there yet',
      command: '<%= config.bin %> <%= command.id %> facebook/opt-125m --prompt "Once upon"',
    },
  ];

  static override args = {
    model: modelArg({description: `A ZTT model or a source checkpoint: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = {
    prompt: someText({description: 'The text to continue.', helpValue: 'TEXT', required: true}),
    'max-new-tokens': wholeNumber({
      description: 'Tokens to add at most.',
      min: 1,
      max: 1_000_000,
      default: 50,
    }),
    threshold: thresholdFlag,
    engine: engineFlag(ENGINES),
    threads: threadsFlag,
  };

  override async run(): Promise<Generated> {
    const {args, flags} = await this.parse(Generate);
    const signal = this.interruptible('stopped.');
    const [{generate, load, slots}, {Tokenizer}, {Checkpoint}] = await Promise.all([
      import('../model/index.js'),
      import('../tokenizer/index.js'),
      import('../checkpoint/index.js'),
    ]);
    const {path} = await this.fetchModel(args.model, signal);
    const checkpoint = await Checkpoint.open(path);
    await checkpoint.close();
    const tokenizer = await Tokenizer.load(checkpoint.folder);
    const model = await load(path, {engine: flags.engine, threads: flags.threads});
    this.note(model.engine.why);
    const promptIds = tokenizer.encode(flags.prompt);
    const {maxPositions, vocabulary} = model.config.arch;
    tokenizer.requireRows(promptIds, vocabulary, 'the prompt');
    if (promptIds.length > maxPositions) {
      this.note(
        `the prompt has ${promptIds.length} tokens; the model sees the last ${maxPositions} of them.`,
      );
    }
    const options = {maxNewTokens: flags['max-new-tokens'], threshold: flags.threshold, signal};
    const began = performance.now();
    const tokens: GeneratedToken[] = [];
    // Special tokens are no text.
    const decoder = tokenizer.decoder(false);
    let text = '';
    const add = (more: string) => {
      text += more;
      this.write(more);
    };
    this.write(flags.prompt);
    try {
      for await (const token of generate(model, promptIds, options)) {
        tokens.push(token);
        add(decoder.add(token.id));
      }
      add(decoder.end());
    } finally {
      this.write('\n');
    }
    const seconds = (performance.now() - began) / 1000;
    this.note(rate(tokens, seconds, slots(model.config.arrangement).length));
    model.dispose();
    return {
      model: args.model,
      engine: model.engine.name,
      prompt: flags.prompt,
      text,
      promptIds,
      ids: tokens.map(({id}) => id),
      slots: tokens.map((token) => token.slots),
      finish: tokens.length < flags['max-new-tokens'] ? 'eos' : 'length',
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

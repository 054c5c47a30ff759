import {Flags} from '@oclif/core';
import type {InitReport} from '../convert/index.js';
import {LETTER_TOKENIZER} from '../synthetic/index.js';
import {LAYOUTS} from '../model/index.js';
import {
  BaseCommand,
  facts,
  format,
  layoutOf,
  MODEL_FORMS,
  outputFlag,
  someText,
  wholeNumber,
} from '../ui/index.js';

const size = (description: string, min: number, max: number) =>
  wholeNumber({description, helpGroup: 'GPT-2 SIZES', min, max, exclusive: ['base-config']});

/** `ztt init`: a random model of any layout. */
export default class Init extends BaseCommand {
  static override summary = 'Make a random model of any layout, to train from scratch.';
  static override description =
    'ztt draws the weights as Transformers does for the family. Every command takes the result as it takes a ' +
    'converted model.';
  static override examples = [
    {
      description: 'The shape and the tokenizer of a model, new weights',
      command:
        '<%= config.bin %> <%= command.id %> --base-config openai-community/gpt2 --output gpt2-new --cycles 2',
    },
    {
      description: 'A config of your own, with the tokenizer of another model, which decides the vocabulary',
      command:
        '<%= config.bin %> <%= command.id %> --base-config small.json --tokenizer openai-community/gpt2 --layout htc --seed 1 -o small-htc',
    },
    {
      description: 'A small GPT-2 for the synthetic tasks, without any file',
      command:
        '<%= config.bin %> <%= command.id %> --layers 3 --width 64 --heads 2 --positions 64 --tokenizer synthetic:letters -o letters',
    },
  ];

  static override flags = {
    'base-config': someText({
      description: `A config.json of a family that ztt reads, or a model that has one: ${MODEL_FORMS}. Or give sizes.`,
      helpValue: 'FILE|MODEL',
    }),
    output: outputFlag,
    tokenizer: someText({
      description:
        'A model whose tokenizer is taken, or synthetic:letters, made for the synthetic tasks; its vocabulary goes ' +
        'into the config. Default: that of --base-config.',
      helpValue: 'MODEL',
    }),
    layers: size('Layers; 12 unless given.', 1, 10_000),
    width: size('Width; 768 unless given.', 1, 1_000_000),
    heads: size('Attention heads; as many as make each about 64 wide unless given.', 1, 1_000_000),
    positions: size('Longest input in tokens; 1024 unless given.', 2, 10_000_000),
    layout: Flags.option({
      description: 'How the layers are arranged; ztt unless given.',
      helpGroup: 'LAYOUT',
      options: LAYOUTS,
    })(),
    cycles: wholeNumber({
      description: 'Times the middle layers run; 2 unless given.',
      helpGroup: 'LAYOUT',
      min: 1,
      max: 1000,
    }),
    head: wholeNumber({
      description: 'First layers that run once; 1 for ztt and htc unless given.',
      helpGroup: 'LAYOUT',
      min: 0,
      max: 10_000,
    }),
    tail: wholeNumber({
      description: 'Last layers that run once; 1 for ztt and htc unless given.',
      helpGroup: 'LAYOUT',
      min: 0,
      max: 10_000,
    }),
    'zero-init': Flags.option({
      description: 'How the zero keys begin; normal unless given.',
      helpGroup: 'LAYOUT',
      options: ['normal', 'zeros'] as const,
    })(),
    seed: wholeNumber({
      description: 'Seed of all random values; 0 unless given.',
      min: Number.MIN_SAFE_INTEGER,
      max: Number.MAX_SAFE_INTEGER,
    }),
  };

  override async run(): Promise<InitReport> {
    const {flags} = await this.parse(Init);
    const {init} = await import('../convert/index.js');
    const signal = this.interruptible('stopped; nothing was written.');
    const {layers, width, heads, positions} = flags;
    const sized = [layers, width, heads, positions].some((value) => value !== undefined);
    const given = flags['base-config'];
    const baseConfig = given && (await this.folderOf(given, signal));
    const ownTokenizer = flags.tokenizer !== undefined && flags.tokenizer !== LETTER_TOKENIZER;
    const tokenizer = ownTokenizer ? await this.folderOf(flags.tokenizer!, signal) : flags.tokenizer;
    const progress = await this.progress({title: 'Making', amount: format.bytes});
    const report = await init({
      baseConfig,
      sizes: sized ? {layers, width, heads, positions} : undefined,
      output: flags.output,
      tokenizer,
      layout: flags.layout,
      cycles: flags.cycles,
      head: flags.head,
      tail: flags.tail,
      zeroInit: flags['zero-init'],
      seed: flags.seed,
      onProgress: (done, total) => progress.update(done, total),
      signal,
    });
    progress.stop();
    this.print(report);
    this.note(`Next: ztt finetune ${report.output} --output run --data FILE`);
    return report;
  }

  /** The local path, or the cache's folder with the small files of a repo. */
  private async folderOf(model: string, signal: AbortSignal): Promise<string> {
    const {pathOf} = await import('../checkpoint/index.js');
    return pathOf((await this.openModel(model, signal)).files);
  }

  private print(report: InitReport): void {
    const {parameters} = report;
    this.log(`${report.output} (${format.bytes(report.bytes)})`);
    this.log(
      facts([
        ['layout', layoutOf(report)],
        ['slots', `${report.slots} executed layers`],
        ['vocabulary', format.count(report.vocabulary)],
        [
          'parameters',
          `${format.count(parameters.all)} (${format.count(parameters.withoutEmbeddings)} without embeddings)`,
        ],
        ['FLOPs a token', `${format.flops(report.flopsPerToken)} at full depth and length`],
      ]),
    );
  }
}

import type {InitReport} from '../convert/index.js';
import {INIT_OPTIONS} from '../convert/options.js';
import {SIZE_OPTIONS} from '../model/options.js';
import {LETTER_TOKENIZER} from '../synthetic/options.js';
import {BaseCommand, facts, flagsOf, format, layoutOf, optionsOf} from '../ui/index.js';

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

  static override flags = {...flagsOf(INIT_OPTIONS), ...flagsOf(SIZE_OPTIONS)};

  override async run(): Promise<InitReport> {
    const {flags} = await this.parse(Init);
    const {init} = await import('../convert/index.js');
    const signal = this.interruptible('stopped; nothing was written.');
    const sizes = optionsOf(SIZE_OPTIONS, flags);
    const sized = Object.values(sizes).some((value) => value !== undefined);
    const given = flags['base-config'];
    const baseConfig = given && (await this.folderOf(given, signal));
    const ownTokenizer = flags.tokenizer !== undefined && flags.tokenizer !== LETTER_TOKENIZER;
    const tokenizer = ownTokenizer ? await this.folderOf(flags.tokenizer!, signal) : flags.tokenizer;
    const progress = await this.progress({title: 'Making', amount: format.bytes});
    const report = await init({
      ...optionsOf(INIT_OPTIONS, flags),
      output: flags.output,
      baseConfig,
      sizes: sized ? sizes : undefined,
      tokenizer,
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

import {Flags} from '@oclif/core';
import type {ConvertReport} from '../convert/index.js';
import {LAYOUTS, SHARES, ZERO_INITS} from '../model/index.js';
import {BaseCommand, facts, format, layoutOf, modelArg, outputFlag, wholeNumber} from '../ui/index.js';

/** `ztt convert`: a source checkpoint to a layout. */
export default class Convert extends BaseCommand {
  static override summary = 'Convert a GPT-2 or OPT checkpoint to a layout with shared layers.';
  static override description = [
    'Every tensor keeps its bytes; only names change, and ztt adds its zero keys. The output appears ' +
      'whole or not at all, and is read back unless --no-verify.',
    'Layouts: ztt (head once, middle in cycles with zero tokens and early exit, tail once), htc (the ' +
      'same without zero tokens), bc (all layers in cycles), vanilla (each layer once).',
  ].join('\n\n');
  static override examples = [
    {
      description: 'Head and tail once, the middle layers twice, with zero tokens',
      command: '<%= config.bin %> <%= command.id %> gpt2 --output gpt2-ztt',
    },
    {
      description: 'Half the parameters: four middle layers, cycled to the depth of the source',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 --output gpt2-small --middle-layers 4 --share average',
    },
    {
      description: 'All layers twice, no zero tokens; the report as JSON',
      command: '<%= config.bin %> <%= command.id %> gpt2 --output gpt2-bc --layout bc --cycles 2 --json',
    },
  ];

  static override args = {
    source: modelArg({
      description: 'A checkpoint: a folder with config.json and safetensors weights.',
      required: true,
    }),
  };

  static override flags = {
    output: outputFlag,
    layout: Flags.option({
      description: 'How the layers are arranged; ztt unless given.',
      helpGroup: 'LAYOUT',
      options: LAYOUTS,
    })(),
    cycles: wholeNumber({
      description:
        'Times the middle layers run; 2 unless given, or as many as keep the depth where --middle-layers makes fewer.',
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
    'middle-layers': wholeNumber({
      description: 'Middle layers to keep of the source; all unless given.',
      helpGroup: 'LAYOUT',
      helpValue: 'K',
      min: 1,
      max: 10_000,
    }),
    share: Flags.option({
      description: 'How fewer middle layers are made of the source; stepwise unless given.',
      helpGroup: 'LAYOUT',
      options: SHARES,
    })(),
    'zero-init': Flags.option({
      description:
        'How the zero keys begin: normal (drawn by --seed), zeros, or aligned with the query bias.',
      helpGroup: 'ZERO TOKENS',
      options: ZERO_INITS,
    })(),
    seed: wholeNumber({
      description: 'Seed of normal zero keys; 0 unless given.',
      helpGroup: 'ZERO TOKENS',
      min: Number.MIN_SAFE_INTEGER,
      max: Number.MAX_SAFE_INTEGER,
    }),
    'no-verify': Flags.boolean({description: 'Do not read the output back.'}),
  };

  override async run(): Promise<ConvertReport> {
    const {args, flags} = await this.parse(Convert);
    const {convert} = await import('../convert/index.js');
    const progress = await this.progress({title: 'Converting', amount: format.bytes});
    const report = await convert({
      source: args.source,
      output: flags.output,
      layout: flags.layout,
      cycles: flags.cycles,
      head: flags.head,
      tail: flags.tail,
      middleLayers: flags['middle-layers'],
      share: flags.share,
      zeroInit: flags['zero-init'],
      seed: flags.seed,
      verify: !flags['no-verify'],
      onProgress: (done, total) => progress.update(done, total),
      signal: this.interruptible('stopped; nothing was written.'),
    });
    progress.stop();
    this.print(report);
    this.note(`Next: ztt info ${report.output}, or ztt finetune ${report.output} --output run --data FILE`);
    return report;
  }

  private print(report: ConvertReport): void {
    const {parameters, flopsPerToken} = report;
    const how = (kind: string) => report.tensors.filter((tensor) => tensor.how === kind);
    const made = how('made').map(({name}) => name);
    const tensors = [
      `${how('copied').length} copied`,
      `${how('averaged').length} averaged`,
      `${made.length} made${made.length > 0 ? ` (${made.join(', ')})` : ''}`,
      `${report.dropped.length} dropped`,
      `${report.unused.length} unused`,
    ];
    this.log(`${report.output} (${format.bytes(report.bytes)})`);
    this.log(
      facts([
        ['layout', layoutOf(report)],
        ['slots', `${report.slots} executed layers`],
        [
          'parameters',
          `${format.count(parameters.converted)} (${format.count(parameters.withoutEmbeddings)} without embeddings), ` +
            `${format.ratio(parameters.converted / parameters.source)} the source's`,
        ],
        [
          'FLOPs a token',
          `${format.flops(flopsPerToken.converted)}, ${format.ratio(flopsPerToken.converted / flopsPerToken.source)} the source's, at full depth and length`,
        ],
        ['tensors', tensors.join(', ')],
        ['verified', report.verified ? 'yes: read back, every sha256 equal' : 'no (--no-verify)'],
      ]),
    );
  }
}

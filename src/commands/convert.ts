import type {
  ConversionPlan,
  ConversionSummary,
  ConvertPhase,
  ConvertReport,
  Origin,
} from '../convert/index.js';
import {CONVERT_OPTIONS} from '../convert/options.js';
import {MODEL_FORMS, type OptionTable} from '../options/index.js';
import {
  BaseCommand,
  facts,
  flagsOf,
  format,
  layoutOf,
  modelArg,
  optionsOf,
  proofFacts,
  table,
} from '../ui/index.js';

const PHASES: Record<ConvertPhase, string> = {
  copying: 'Copying tensors',
  verifying: 'Reading back',
  comparing: 'Comparing predictions',
};

/** Of the command alone. */
const DRY_RUN = {
  'dry-run': {kind: 'switch', help: 'Print what would be done, from headers alone, and write nothing'},
} as const satisfies OptionTable;

/** `ztt convert`: a source checkpoint to a layout. */
export default class Convert extends BaseCommand {
  static override summary = 'Convert a checkpoint to a layout with shared layers.';
  static override description = [
    'Every tensor keeps its bytes unless --dtype; only names change, and ztt adds its zero keys. The output ' +
      'appears whole or not at all, in less than 300 MB of memory whatever the size of the model.',
    'The output proves itself: it is read back and compared with the source, and ztt_certificate.json beside it ' +
      'lists every tensor with what became of it and its sha256 before and after. `ztt info` shows it.',
    'Layouts: ztt (head once, middle in cycles with zero tokens and early exit, tail once), htc (the ' +
      'same without zero tokens), bc (all layers in cycles), vanilla (each layer once).',
  ].join('\n\n');
  static override examples = [
    {
      description: 'A model of the Hub: head and tail once, the middle layers twice, with zero tokens',
      command: '<%= config.bin %> <%= command.id %> openai-community/gpt2 --output gpt2-ztt',
    },
    {
      description:
        'What that would do: names, sizes, compute, disk, memory; nothing is downloaded or written',
      command: '<%= config.bin %> <%= command.id %> facebook/opt-13b --output opt-ztt --dry-run',
    },
    {
      description: 'Half the parameters: four middle layers, cycled to the depth of the source',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 --output gpt2-small --middle-layers 4 --share average',
    },
    {
      description: 'In half the space, in files of at most 2 GB, over an earlier output',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 -o gpt2-ztt --dtype bfloat16 --max-shard-size 2GB --force',
    },
    {
      description: 'Say how far the predictions are from the source, which is what fine-tuning has to heal',
      command: '<%= config.bin %> <%= command.id %> gpt2 --output gpt2-ztt --verify logits',
    },
    {
      description: 'All layers twice, no zero tokens; the report as JSON',
      command: '<%= config.bin %> <%= command.id %> gpt2 --output gpt2-bc --layout bc --cycles 2 --json',
    },
  ];

  static override args = {
    source: modelArg({
      description: `A source checkpoint, as GPT-2's or Llama's: ${MODEL_FORMS}.`,
      required: true,
    }),
  };

  static override flags = {...flagsOf(CONVERT_OPTIONS), ...flagsOf(DRY_RUN)};

  override async run(): Promise<ConvertReport | ConversionPlan> {
    const {args, flags} = await this.parse(Convert);
    const {convert, planConversion} = await import('../convert/index.js');
    const signal = this.interruptible('stopped; nothing was written.');
    const options = {...optionsOf(CONVERT_OPTIONS, flags), output: flags.output};
    // A model that cannot be used is refused before gigabytes are downloaded.
    const opened = await this.openModel(args.source, signal);
    if (flags['dry-run'] || typeof opened.files !== 'string') {
      const plan = await planConversion({...options, source: opened.files, origin: originOf(opened)});
      if (flags['dry-run']) {
        this.printPlan(plan);
        this.warnOf(plan.notes);
        return plan;
      }
    }
    const fetched = await this.fetchModel(args.source, signal);
    const progress = await this.progress({title: PHASES.copying, amount: format.bytes});
    const report = await convert({
      ...options,
      source: fetched.path,
      origin: originOf(fetched),
      verify: flags.verify,
      engine: flags.engine,
      device: flags.device,
      onPhase: (phase) => progress.begin(PHASES[phase]),
      onProgress: (done, total) => progress.update(done, total),
      onNote: (line) => this.note(line),
      signal,
    });
    progress.stop();
    this.print(report);
    this.warnOf(report.notes);
    this.note(`Next: ztt info ${report.output}, or ztt finetune ${report.output} --output run --data FILE`);
    return report;
  }

  private print(report: ConvertReport): void {
    const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
    this.log(`${report.output} (${format.bytes(bytes)} in ${format.plural(report.files.length, 'file')})`);
    const proof: [string, string][] = report.certificate
      ? proofFacts(report.certificate)
      : [['verified', 'no (--verify none)']];
    this.log(facts([...summaryFacts(report), ...proof]));
  }

  private printPlan(plan: ConversionPlan): void {
    const {ledger, disk, memory, files} = plan;
    const shape = (dims: readonly number[]) => `[${dims.join(', ')}]`;
    const rows = ledger.source.map(({name, dtype, shape: dims, how, to, why}) => {
      return [name, `${dtype} ${shape(dims)}`, how, to ?? why!];
    });
    const made = ledger.target
      .filter(({how}) => how === 'made')
      .map(({name, dtype, shape: dims}) => ['', `${dtype} ${shape(dims)}`, 'made', name]);
    const columns = ['tensor of the source', 'dtype, shape', 'how', 'tensor of the output'];
    this.log(
      table(
        columns.map((title) => ({title})),
        [...rows, ...made],
      ),
    );
    const download = disk.download > 0 ? `${format.bytes(disk.download)} to download, ` : '';
    this.log(`\n${plan.output} would be written; nothing was.`);
    this.log(
      facts([
        ...summaryFacts(plan),
        ['files', files.map(({name, bytes}) => `${name} (${format.bytes(bytes)})`).join('\n')],
        ['disk', `${download}${format.bytes(disk.write)} to write, ${format.bytes(disk.free)} free`],
        [
          'memory',
          `at most ${format.bytes(memory.convert)} to convert; about ${format.bytes(memory.load)} to load the model in float32, ` +
            `as --verify logits does; ${format.bytes(memory.free)} free`,
        ],
      ]),
    );
  }
}

/** A repo of the Hub; a local source is known by its folder's name. */
const originOf = ({name, revision}: Origin): Origin | undefined =>
  revision === null ? undefined : {name, revision};

function summaryFacts(summary: ConversionSummary): [string, string][] {
  const {source, parameters, flopsPerToken, tensors} = summary;
  const counts = (['copied', 'cast', 'averaged', 'made', 'dropped'] as const)
    .filter((how) => tensors[how] > 0)
    .map((how) => `${tensors[how]} ${how}`);
  return [
    ['source', source.revision ? `${source.name} at ${source.revision}` : source.name],
    ['layout', layoutOf(summary)],
    ['slots', `${summary.slots} executed layers`],
    [
      'parameters',
      `${format.count(parameters.converted)} (${format.count(parameters.withoutEmbeddings)} without embeddings), ` +
        `${format.ratio(parameters.converted / parameters.source)} the source's`,
    ],
    [
      'FLOPs a token',
      `${format.flops(flopsPerToken.converted)}, ${format.ratio(flopsPerToken.converted / flopsPerToken.source)} the source's, at full depth and length`,
    ],
    ['tensors', counts.join(', ')],
  ];
}

import type {ExportReport} from '../export/index.js';
import {EXPORT_OPTIONS} from '../export/options.js';
import {MODEL_FORMS, type OptionTable} from '../options/index.js';
import {BaseCommand, facts, flagsOf, format, modelArg, optionsOf} from '../ui/index.js';

/** Of the command alone. */
const HOW_OPTIONS = {
  onnx: {kind: 'switch', help: 'As ONNX, the one format there is: the same without it'},
  'dry-run': {kind: 'switch', help: 'Only say what would be written'},
} as const satisfies OptionTable;

/** `ztt export`: a model for other runtimes. */
export default class Export extends BaseCommand {
  static override summary = 'Write a model as ONNX, for ONNX Runtime and transformers.js.';
  static override description = [
    'The folder has onnx/model.onnx with its weights beside it, and the config and tokenizer with which ' +
      'transformers.js loads it as a GPT-2 or OPT. The model takes a batch with a cache of keys and values, padded on ' +
      'the left. Every cycle is written out, but the weights of shared layers are stored once.',
    'It has a fixed depth: it never exits early. A model with fewer cycles is smaller in compute, not in size.',
  ].join('\n\n');
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --onnx --output gpt2-onnx',
    {
      description: 'Fewer cycles than the model has, in half the space',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt -o gpt2-onnx --cycles 1 --dtype float16 --force',
    },
    {
      description: 'What would be written of a model of the Hub; no weights are downloaded',
      command: '<%= config.bin %> <%= command.id %> user/gpt2-ztt -o gpt2-onnx --dry-run',
    },
  ];

  static override args = {
    model: modelArg({description: `A ZTT model or a source checkpoint: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = {...flagsOf(EXPORT_OPTIONS), ...flagsOf(HOW_OPTIONS)};

  override async run(): Promise<ExportReport> {
    const {args, flags} = await this.parse(Export);
    const {exportOnnx, planExport} = await import('../export/index.js');
    const signal = this.interruptible('stopped; nothing was written.');
    const options = {...optionsOf(EXPORT_OPTIONS, flags), output: flags.output};
    // A model that cannot be used is refused before gigabytes are downloaded.
    const opened = await this.openModel(args.model, signal);
    if (flags['dry-run'] || typeof opened.files !== 'string') {
      const plan = await planExport({...options, model: opened.files});
      if (flags['dry-run']) {
        this.log(`${plan.output} would be written; nothing was.`);
        this.print(plan);
        return plan;
      }
    }
    const {path} = await this.fetchModel(args.model, signal);
    const progress = await this.progress({title: 'Exporting', amount: format.bytes});
    const report = await exportOnnx({
      ...options,
      model: path,
      onProgress: (done, total) => progress.update(done, total),
      signal,
    });
    progress.stop();
    this.log(report.output);
    this.print(report);
    return report;
  }

  private print({layout, cycles, slots, dtype, opset, nodes, tokenizer, notes, files}: ExportReport): void {
    const inCycles = cycles > 1 ? ` in ${cycles} cycles` : '';
    this.log(
      facts([
        ['layout', `${layout}, ${format.plural(slots, 'executed layer')}${inCycles}, no early exit`],
        ['ONNX', `opset ${opset}, ${format.plural(nodes, 'node')}, ${dtype}`],
        ['files', files.map(({name, bytes}) => `${name} (${format.bytes(bytes)})`).join('\n')],
      ]),
    );
    this.warnOf(notes);
    if (!tokenizer) this.note('The model has no tokenizer; transformers.js needs one beside it for text.');
  }
}

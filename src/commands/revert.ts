import type {RevertReport} from '../convert/index.js';
import {REVERT_OPTIONS} from '../convert/options.js';
import {MODEL_FORMS} from '../options/index.js';
import {BaseCommand, facts, flagsOf, format, modelArg, optionsOf} from '../ui/index.js';

/** `ztt revert`: a converted model back to a plain checkpoint. */
export default class Revert extends BaseCommand {
  static override summary = 'Write a ZTT model as a plain checkpoint of its family.';
  static override description =
    "The plain checkpoint has the source's tensor names and the model's bytes, and loads wherever the " +
    'source does. Layers in cycles must be written out one by one (--unroll), and zero tokens cannot ' +
    'be kept (--drop-zero-tokens); ztt measures the cost as the KL divergence of the ' +
    'predictions.';
  static override examples = [
    {
      description: 'Back to the source, byte for byte, from one cycle of all layers',
      command: '<%= config.bin %> <%= command.id %> gpt2-vanilla --output gpt2-again',
    },
    {
      description: 'A deeper plain model from cycles with zero tokens',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt --output gpt2-plain --unroll --drop-zero-tokens',
    },
    {
      description: 'A model of the Hub, at a tag',
      command: '<%= config.bin %> <%= command.id %> user/gpt2-vanilla@v1 --output gpt2-again',
    },
  ];

  static override args = {
    model: modelArg({description: `A ZTT model: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = flagsOf(REVERT_OPTIONS);

  override async run(): Promise<RevertReport> {
    const {args, flags} = await this.parse(Revert);
    const {revert} = await import('../convert/index.js');
    const signal = this.interruptible('stopped; nothing was written.');
    const {path} = await this.fetchModel(args.model, signal);
    const progress = await this.progress({title: 'Reverting', amount: format.bytes});
    const report = await revert({
      ...optionsOf(REVERT_OPTIONS, flags),
      output: flags.output,
      model: path,
      onProgress: (done, total) => progress.update(done, total),
      signal,
    });
    progress.stop();
    this.print(report);
    return report;
  }

  private print({output, source, layers, unrolled, divergence, dropped, folded}: RevertReport): void {
    this.log(output);
    this.log(
      facts([
        ['source', source.revision ? `${source.name} at ${source.revision}` : source.name],
        ['layers', `${layers}${unrolled ? ', cycles written out' : ''}`],
        [
          'zero tokens',
          divergence
            ? `dropped; mean KL ${divergence.meanNats.toPrecision(3)} nats a token over ${divergence.tokens} tokens of ${divergence.probe}`
            : 'there were none',
        ],
        [
          'folded',
          folded.length > 0
            ? `the attention scale into the query part of ${folded.length} tensors: ${folded.join(', ')}`
            : 'nothing; every tensor has the bytes it had',
        ],
        [
          'dropped',
          dropped.length > 0
            ? `${dropped.length} tensors of the source that are no parameters of the language model: ${dropped.join(', ')}`
            : 'nothing',
        ],
      ]),
    );
  }
}

import type {MergeReport} from '../convert/index.js';
import {MERGE_OPTIONS} from '../convert/options.js';
import {MODEL_FORMS} from '../options/index.js';
import {BaseCommand, facts, flagsOf, format, modelArg} from '../ui/index.js';

/** `ztt merge`: LoRA matrices into the weights. */
export default class Merge extends BaseCommand {
  static override summary = "Add a model's LoRA matrices to its weights.";
  static override description =
    'The merged model computes the same with as many FLOPs as before LoRA. ztt cannot merge one pair per ' +
    'cycle (--lora-per cycle) if the model has several cycles, because the cycles share one weight.';
  static override examples = [
    {
      description: 'Train LoRA matrices, then merge them',
      command: '<%= config.bin %> finetune gpt2-ztt -o run --data train.txt --train lora',
    },
    '<%= config.bin %> <%= command.id %> run --output gpt2-merged',
  ];

  static override args = {
    model: modelArg({description: `A ZTT model with LoRA matrices: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = flagsOf(MERGE_OPTIONS);

  override async run(): Promise<MergeReport> {
    const {args, flags} = await this.parse(Merge);
    const {merge} = await import('../convert/index.js');
    const signal = this.interruptible('stopped; nothing was written.');
    const {path} = await this.fetchModel(args.model, signal);
    const progress = await this.progress({title: 'Merging'});
    const report = await merge({
      model: path,
      output: flags.output,
      signal,
      onTensor: (done, total) => progress.update(done, total),
    });
    progress.stop();
    this.print(report);
    return report;
  }

  private print({output, lora, merged}: MergeReport): void {
    this.log(output);
    this.log(
      facts([
        [
          'merged',
          `LoRA of rank ${lora.rank}, alpha ${lora.alpha}, into ${format.plural(merged.length, 'weight')}`,
        ],
        ['targets', lora.targets.join(', ')],
      ]),
    );
  }
}

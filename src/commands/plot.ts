import {Args} from '@oclif/core';
import type {PlotReport} from '../finetune/index.js';
import {PLOT_OPTIONS} from '../finetune/options.js';
import {BaseCommand, flagsOf} from '../ui/index.js';

/** `ztt plot`: a run's metrics as a page. */
export default class Plot extends BaseCommand {
  static override summary = 'Draw the metrics of fine-tuning runs into one HTML file.';
  static override description =
    'Loss, held-out loss at full depth and at thresholds, zero attention by slot, cycle use, learning rate and ' +
    'gradient norm, each with its numbers. The file needs nothing else: no script, no network.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> run --output run.html',
    {
      description: 'Several runs, overlaid',
      command: '<%= config.bin %> <%= command.id %> run-ztt run-htc run-vanilla -o runs.html',
    },
  ];
  static override strict = false;

  static override args = {
    run: Args.string({
      description: 'The folder of a run, finished or not; several may follow.',
      required: true,
    }),
  };

  static override flags = flagsOf(PLOT_OPTIONS);

  override async run(): Promise<PlotReport> {
    const {argv, flags} = await this.parse(Plot);
    const {plotRuns} = await import('../finetune/index.js');
    const report = await plotRuns({runs: argv.map(String), output: flags.output});
    this.log(`${report.output}: ${report.figures.join(', ')}`);
    return report;
  }
}

import type {Calibration} from '../model/index.js';
import {UsageError} from '../errors.js';
import {THREADED_ENGINE_OPTIONS} from '../engine/options.js';
import {CALIBRATE_OPTIONS} from '../eval/options.js';
import {BaseCommand, type Column, facts, flagsOf, format, modelArg, optionsOf, table} from '../ui/index.js';

/** `ztt calibrate`: choose a model's threshold, and keep what others give. */
export default class Calibrate extends BaseCommand {
  static override summary =
    'Choose a model’s threshold by a largest fall in accuracy or a budget, and store it.';
  static override description =
    "The threshold becomes the model's own in its config.json, beside the curve of accuracy and FLOPs by threshold " +
    "(with 95 % intervals), from which eval --budget then chooses. ztt calibrates on the tasks' calibration splits, which " +
    'eval does not measure on. From a file, or a task without such a split, it takes every second row.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks piqa,sciq --max-drop 1pt',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks questions.jsonl --budget 1.2',
  ];

  static override args = {
    model: modelArg({description: "A ZTT model's folder.", required: true}),
  };

  static override flags = {...flagsOf(CALIBRATE_OPTIONS), ...flagsOf(THREADED_ENGINE_OPTIONS)};

  override async run(): Promise<Calibration> {
    const {args, flags} = await this.parse(Calibrate);
    const signal = this.interruptible('stopped; the model is as it was.');
    const [{calibrate}, {storeCalibration}] = await Promise.all([
      import('../eval/index.js'),
      import('../model/index.js'),
    ]);
    const {text} = args.model;
    if (args.model.kind === 'hub') {
      throw new UsageError(
        `calibrate writes into a model's folder, and ${text} is none; bring it into one first: ztt pull ${text} --output DIR`,
      );
    }
    const {folder, model, tokenizer} = await this.loadModel(
      args.model.path,
      optionsOf(THREADED_ENGINE_OPTIONS, flags),
    );
    const progress = await this.progress({title: 'Reading tasks'});
    let begun = false;
    const calibration = await calibrate(model, tokenizer, {
      ...optionsOf(CALIBRATE_OPTIONS, flags),
      tasks: flags.tasks,
      taskData: this.taskData(flags['task-data'], progress, signal),
      onProgress: (done, total) => {
        if (!begun) progress.begin('Calibrating', format.count);
        begun = true;
        progress.update(done, total);
      },
      signal,
    });
    progress.stop();
    model.dispose();
    await storeCalibration(folder, calibration);
    this.print(calibration);
    return calibration;
  }

  private print({points, threshold, tasks}: Calibration): void {
    const every = Math.ceil(points.length / 12);
    const shown = points.filter((point, i) => i % every === 0 || point.threshold === threshold);
    this.log(
      table(
        COLUMNS,
        shown.map((point) => [
          `${point.threshold === threshold ? '* ' : ''}${Number(point.threshold.toPrecision(4))}`,
          point.accuracy ? percent(point.accuracy) : '',
          ratios(point.flops_ratio),
          point.mean_slots.toFixed(1),
        ]),
      ),
    );
    const questions = tasks.map(({name, questions, split}) => `${name} (${questions} rows, ${split})`);
    this.log(
      facts([
        ['threshold', `${threshold}, the model's own from now on`],
        ['chosen on', questions.join(', ')],
      ]),
    );
  }
}

const COLUMNS: Column[] = [
  {title: 'threshold', align: 'right'},
  {title: 'accuracy', align: 'right'},
  {title: 'FLOPs of source', align: 'right'},
  {title: 'slots', align: 'right'},
];

type Estimate = Calibration['points'][number]['flops_ratio'];

const percent = ({value, low, high}: Estimate): string =>
  `${(100 * value).toFixed(1)} % (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;

const ratios = ({value, low, high}: Estimate): string =>
  `${value.toFixed(3)}x (${low.toFixed(3)} to ${high.toFixed(3)})`;

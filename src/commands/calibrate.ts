import type {Calibration, ExitFit} from '../model/index.js';
import {checkOptions, type OptionTable} from '../options/index.js';
import {UsageError} from '../errors.js';
import {THREADED_ENGINE_OPTIONS} from '../engine/options.js';
import {CALIBRATE_OPTIONS} from '../eval/options.js';
import {FIT_OPTIONS} from '../fit/options.js';
import {BaseCommand, type Column, facts, flagsOf, format, modelArg, optionsOf, table} from '../ui/index.js';

/** The options of a calibration on tasks, beside which the exits can be fitted instead. */
const OPTIONS = {
  ...CALIBRATE_OPTIONS,
  tasks: {...CALIBRATE_OPTIONS.tasks, required: false, oneOf: ['tasks', 'fit-exits']},
} as const satisfies OptionTable;

/** The options of fitting exits, beside which none of those counts. */
const FIT = {
  ...FIT_OPTIONS,
  'fit-exits': {...FIT_OPTIONS['fit-exits'], excludes: Object.keys(CALIBRATE_OPTIONS)},
} as const satisfies OptionTable;

/** `ztt calibrate`: choose a model's threshold, and keep what others give. */
export default class Calibrate extends BaseCommand {
  static override summary =
    'Choose a model’s threshold on tasks, or fit its exits on text, and store what was found.';
  static override description =
    "The threshold becomes the model's own in its config.json, beside the curve of accuracy and FLOPs by threshold " +
    "(with 95 % intervals), from which eval --budget then chooses. ztt calibrates on the tasks' calibration splits, which " +
    'eval does not measure on. From a file, or a task without such a split, it takes every second row. With ' +
    '--fit-exits it measures what exits cost rows of text, and changes the zero keys of the exits, and nothing else, so ' +
    'that zero attention tells where an exit pays.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks piqa,sciq --max-drop 1pt',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks questions.jsonl --budget 1.2',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --fit-exits --data books.txt articles.txt',
  ];

  static override args = {
    model: modelArg({description: "A ZTT model's folder.", required: true}),
  };

  static override flags = {
    ...flagsOf(OPTIONS),
    ...flagsOf(FIT),
    ...flagsOf(THREADED_ENGINE_OPTIONS),
  };

  override async run(): Promise<Calibration | ExitFit> {
    const {args, flags} = await this.parse(Calibrate);
    const signal = this.interruptible('stopped; the model is as it was.');
    checkOptions(FIT, optionsOf(FIT, flags));
    const {text} = args.model;
    if (args.model.kind === 'hub') {
      throw new UsageError(
        `calibrate writes into a model's folder, and ${text} is none; bring it into one first: ztt pull ${text} --output DIR`,
      );
    }
    if (flags['fit-exits']) {
      const fit = await this.fit(args.model.path, flags, signal);
      this.printFit(fit);
      return fit;
    }
    const [{calibrate}, {storeCalibration}] = await Promise.all([
      import('../eval/index.js'),
      import('../model/index.js'),
    ]);
    const {folder, model, tokenizer} = await this.loadModel(
      args.model.path,
      optionsOf(THREADED_ENGINE_OPTIONS, flags),
    );
    const progress = await this.progress({title: 'Reading tasks'});
    let begun = false;
    const calibration = await calibrate(model, tokenizer, {
      ...optionsOf(OPTIONS, flags),
      tasks: flags.tasks!,
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

  /** Fits the exits of the model in a folder. */
  private async fit(folder: string, flags: FitFlags, signal: AbortSignal): Promise<ExitFit> {
    const {fitModelExits} = await import('../fit/index.js');
    const progress = await this.progress({title: 'Reading the data'});
    let begun = false;
    const fit = await fitModelExits({
      ...optionsOf(FIT, flags),
      ...optionsOf(THREADED_ENGINE_OPTIONS, flags),
      model: folder,
      data: flags.data!,
      openDataset: (repo) => this.openDataset(repo, signal, (done, total) => progress.update(done, total)),
      onNote: (line) => this.note(line),
      onWarning: (line) => this.warnOf([line]),
      onProgress: (done, total) => {
        if (!begun) progress.begin('Measuring exits', format.count);
        begun = true;
        progress.update(done, total);
      },
      signal,
    });
    progress.stop();
    return fit;
  }

  private printFit({rows, seq_len: tokens, exits}: ExitFit): void {
    this.log(
      table(
        FIT_COLUMNS,
        exits.map(({slot, cost, price, wanted, zero_attention: zero}) => [
          String(slot),
          `${cost.mean.toFixed(4)} ± ${cost.standard_deviation.toFixed(4)}`,
          price.toFixed(4),
          `${(100 * wanted).toFixed(0)} %`,
          `${zero.wanted.toFixed(2)} and ${zero.others.toFixed(2)}`,
        ]),
      ),
    );
    this.log(
      facts([
        ['fitted on', `${rows} rows of ${tokens} tokens`],
        ['next', '--threshold 0.5 exits where an exit is expected to cost less than the price'],
      ]),
    );
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

type FitFlags = {[Name in keyof typeof FIT | keyof typeof THREADED_ENGINE_OPTIONS]?: unknown} & {
  data?: string[];
};

const FIT_COLUMNS: Column[] = [
  {title: 'exit before slot', align: 'right'},
  {title: 'cost, nats a token', align: 'right'},
  {title: 'price', align: 'right'},
  {title: 'should exit', align: 'right'},
  {title: 'z of those, of others', align: 'right'},
];

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

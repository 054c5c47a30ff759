import {Flags} from '@oclif/core';
import type {Comparison, TimedPlan, TrainingBudget} from '../compare/index.js';
import {AXIS_NAMES, parseAxis} from '../compare/index.js';
import {ENGINES} from '../engine/index.js';
import {LAYOUTS} from '../model/index.js';
import {
  BaseCommand,
  comparisonTable,
  dataFlags,
  engineFlags,
  format,
  MODEL_FORMS,
  modelArg,
  optionalTaskFlags,
  parseWithConfig,
  planTable,
  realNumber,
  someText,
  threadsFlag,
  thresholdsFlag,
  wholeNumber,
} from '../ui/index.js';

/** `ztt compare`: the paper's experiment. */
export default class Compare extends BaseCommand {
  static override summary = 'Compare layouts, and options of them, under one training budget.';
  static override description = [
    'Converts the source once for every combination of layouts, axes and seeds, trains all for the same steps, tokens ' +
      'or FLOPs, and scores all on the same tasks and held-out text. The table also has an equally trained vanilla and the ' +
      'untouched source. It shows means and errors, differences by a paired bootstrap, and the rows that no cheaper row beats.',
    'The output folder has comparison.html, comparison.json, and a folder for each model. ztt does not ' +
      'compute a result twice: an interrupted comparison goes on, and a wider one computes the new models only.',
    `Axes are flags of convert, finetune and eval: ${AXIS_NAMES.join(', ')}.`,
  ].join('\n\n');
  static override examples = [
    {
      description: 'All four layouts with 2 cycles, three seeds each',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 --data train.txt --steps 500 --seeds 1,2,3 --tasks questions.jsonl -o comparison',
    },
    {
      description: 'The plan of a comparison with the same training compute for all',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 --data train.txt --train-flops 1e15 --layouts htc,ztt -o comparison --dry-run',
    },
    {
      description: 'Different first values of zero keys, and different numbers of cycles',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 --data train.txt --steps 500 --layouts ztt --axis zero-init=normal,aligned --axis cycles=1,2,3 -o comparison',
    },
    {
      description: 'Equal inference compute: half the middle layers, run twice',
      command:
        '<%= config.bin %> <%= command.id %> gpt2 --data train.txt --steps 500 --axis middle-layers=5 --axis share=stepwise,average -o comparison',
    },
  ];

  static override args = {
    source: modelArg({
      description: `A source checkpoint, as GPT-2's or Llama's: ${MODEL_FORMS}.`,
      required: true,
    }),
  };

  static override flags = {
    output: someText({
      char: 'o',
      description: "The comparison's folder; what it has already is not done again.",
      helpValue: 'DIR',
      required: true,
    }),
    data: dataFlags.data,
    'held-out-data': dataFlags['held-out-data'],
    layouts: Flags.option({
      description: 'Layouts to compare; all unless given. vanilla is always among them.',
      helpGroup: 'CELLS',
      options: LAYOUTS,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
    })(),
    cycles: someText({
      description: 'Short for --axis cycles=.',
      helpGroup: 'CELLS',
      helpValue: 'N,N',
    }),
    axis: someText({
      description:
        'An option of convert, finetune or eval and its values; one value is given to all, several make a row each. Values that are lists join them with +.',
      helpGroup: 'CELLS',
      helpValue: 'NAME=V,V',
      multiple: true,
      multipleNonGreedy: true,
    }),
    seeds: wholeNumber({
      description: 'Seeds of zero keys, of the order of the data and of what is held out; 1 unless given.',
      helpGroup: 'CELLS',
      helpValue: 'N,N',
      min: 0,
      max: 2 ** 31 - 1,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
    }),
    steps: wholeNumber({
      description: 'Train every model for so many steps.',
      helpGroup: 'BUDGET',
      min: 1,
      max: 1e9,
      exactlyOne: ['steps', 'train-tokens', 'train-flops'],
    }),
    'train-tokens': realNumber({
      description: 'Train every model on so many tokens, as 1e6.',
      helpGroup: 'BUDGET',
      from: 1,
      max: 1e18,
    }),
    'train-flops': realNumber({
      description: 'Train every model for so many FLOPs, as 1e15: deeper ones take fewer steps.',
      helpGroup: 'BUDGET',
      from: 1,
      max: 1e30,
    }),
    'save-every': wholeNumber({
      description: 'Steps between checkpoints, which is what a kill can lose; 100 unless given.',
      helpGroup: 'BUDGET',
      min: 1,
      max: 1e9,
    }),
    ...optionalTaskFlags,
    threshold: thresholdsFlag,
    'learn-threshold': realNumber({
      description:
        'Also learn the exits of ztt, on training data and with the weights as they are: a row for each penalty, in nats a token that compute of one source is worth.',
      helpValue: 'X,X',
      above: 0,
      max: 1000,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
    }),
    'exit-share': realNumber({
      description:
        'Also choose thresholds of ztt by share: a row for each share of the training text that is to exit early.',
      helpValue: 'X,X',
      above: 0,
      below: 1,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
    }),
    jobs: wholeNumber({
      description: 'Models at a time; as many as there are cores and memory for, unless given.',
      min: 1,
      max: 1000,
    }),
    'dry-run': Flags.boolean({
      description: 'Print the plan: cells, compute, disk and memory; train nothing.',
    }),
    config: someText({
      description: 'A YAML file of flags by name, and `source`; the command line wins.',
      helpValue: 'FILE',
    }),
    ...engineFlags(ENGINES),
    threads: threadsFlag,
  };

  override async run(): Promise<Comparison | TimedPlan> {
    const {args, flags} = await this.parseFlags();
    const {compare, planComparison} = await import('../compare/index.js');
    const signal = this.interruptible(
      'stopped; what was trained is saved, and the same command goes on with it.',
    );
    const {path} = await this.fetchModel(args.source, signal);
    const progress = await this.progress({title: 'Reading the data', amount: format.bytes});
    const budget: TrainingBudget =
      flags.steps !== undefined
        ? {unit: 'steps', amount: flags.steps}
        : flags['train-tokens'] !== undefined
          ? {unit: 'tokens', amount: flags['train-tokens']}
          : {unit: 'flops', amount: flags['train-flops']!};
    const cycles = flags.cycles === undefined ? [] : [`cycles=${flags.cycles}`];
    let training = false;
    const options = {
      source: path,
      sourceName: args.source.text,
      output: flags.output,
      data: flags.data,
      budget,
      layouts: flags.layouts,
      axes: [...cycles, ...(flags.axis ?? [])].map(parseAxis),
      seeds: flags.seeds,
      tasks: flags.tasks,
      taskFolder: flags['task-data'],
      limit: flags.limit,
      thresholds: flags.threshold,
      penalties: flags['learn-threshold'],
      exitShares: flags['exit-share'],
      training: {heldOutData: flags['held-out-data'], saveEvery: flags['save-every']},
      jobs: flags.jobs,
      engine: flags.engine,
      device: flags.device,
      threads: flags.threads,
      onData: (_: string, done: number, total: number) => progress.update(done, total),
      onNote: (line: string) => this.note(line),
      onProgress: (done: number, total: number, running: readonly string[]) => {
        if (!training) progress.begin('Comparing', format.flops);
        training = true;
        progress.update(done, total, running.join(' | '));
      },
      onDone: (name: string, comparison: Comparison) => {
        const {done, all} = comparison.cells;
        this.note(`${done} of ${all}: ${name}`);
        progress.showUnder(comparisonTable(comparison));
      },
      signal,
    };
    if (flags['dry-run']) {
      const plan = await planComparison(options);
      progress.stop();
      this.log(planTable(plan));
      return plan;
    }
    const comparison = await compare(options);
    progress.stop();
    this.log(comparisonTable(comparison));
    this.note(`Written: ${flags.output}/comparison.html and comparison.json`);
    return comparison;
  }

  private parseFlags() {
    const parse = (words: string[]) => this.parse(Compare, words);
    return parseWithConfig(this.argv, {flags: Compare.flags, positional: 'source'}, parse);
  }
}

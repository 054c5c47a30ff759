import type {Comparison, TimedPlan, TrainingBudget} from '../compare/index.js';
import {AXIS_NAMES, parseAxis} from '../compare/index.js';
import {COMPARE_OPTIONS} from '../compare/options.js';
import {MODEL_FORMS, type OptionTable} from '../options/index.js';
import {
  BaseCommand,
  comparisonTable,
  flagsOf,
  format,
  modelArg,
  optionsOf,
  parseWithConfig,
  planTable,
} from '../ui/index.js';

/** What varies, which the command reads. */
const CELL_OPTIONS = {
  cycles: {kind: 'text', help: 'Short for --axis cycles=', placeholder: 'N,N', group: 'CELLS'},
  axis: {
    kind: 'text',
    list: 'again',
    help: 'An option of convert, finetune or eval and its values; one value is given to all, several make a row each',
    more: 'Values that are lists join them with +.',
    placeholder: 'NAME=V,V',
    group: 'CELLS',
  },
} as const satisfies OptionTable;

/** Where flags come from, and whether anything is done. */
const CONFIGURED_OPTIONS = {
  config: {
    kind: 'text',
    help: 'A YAML file of flags by name, and `source`; the command line wins',
    placeholder: 'FILE',
  },
  'dry-run': {kind: 'switch', help: 'Print the plan: cells, compute, disk and memory; train nothing'},
} as const satisfies OptionTable;

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

  static override elsewhere = Object.fromEntries(AXIS_NAMES.map((name) => [name, `axis ${name}=`]));

  static override args = {
    source: modelArg({
      description: `A source checkpoint, as GPT-2's or Llama's: ${MODEL_FORMS}.`,
      required: true,
    }),
  };

  static override flags = {
    ...flagsOf(COMPARE_OPTIONS),
    ...flagsOf(CELL_OPTIONS),
    ...flagsOf(CONFIGURED_OPTIONS),
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
      ...optionsOf(COMPARE_OPTIONS, flags),
      source: path,
      sourceName: args.source.text,
      output: flags.output,
      data: flags.data,
      budget,
      axes: [...cycles, ...(flags.axis ?? [])].map(parseAxis),
      training: {heldOutData: flags['held-out-data'], saveEvery: flags['save-every']},
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

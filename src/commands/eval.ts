import type {EvalReport} from '../eval/index.js';
import {ENGINES} from '../engine/index.js';
import {
  BaseCommand,
  engineFlag,
  format,
  MODEL_FORMS,
  modelArg,
  parseWithConfig,
  someText,
  table,
  taskFlags,
  thresholdsFlag,
  threadsFlag,
  wordOf,
  type Column,
} from '../ui/index.js';

/** `ztt eval`: a model's results on tasks, and what they cost. */
export default class Eval extends BaseCommand {
  static override summary =
    'Score a model on tasks, at full depth and with early exit, and measure the cost.';
  static override description =
    'A task is one of lambada_openai, lambada_standard, piqa, arc_easy, arc_challenge, hellaswag, winogrande, sciq, ' +
    'openbookqa, boolq and wikitext, whose data the Hub has, or a .jsonl or .parquet file: rows with query, choices ' +
    'and gold are multiple choice, rows with text are last-word prediction, rows with page are rolling perplexity. ' +
    'Scores are those of lm-evaluation-harness.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks lambada_openai,piqa --limit 200',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks questions.jsonl',
    {
      description: 'With data that lies here, as the Hub has it',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks arc_easy,boolq --task-data datasets',
    },
    {
      description: 'A model of the Hub, which is downloaded if it is not there yet',
      command: '<%= config.bin %> <%= command.id %> openai-community/gpt2 --tasks questions.jsonl',
    },
    {
      description: 'At four thresholds, the results also as a file',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks questions.jsonl,pages.jsonl --threshold 0.2,0.5,0.7,1 --output results',
    },
  ];

  static override args = {
    model: modelArg({description: `A ZTT model or a source checkpoint: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = {
    ...taskFlags,
    threshold: thresholdsFlag,
    output: someText({
      char: 'o',
      description: 'Also write the JSON results into this folder.',
      helpValue: 'DIR',
    }),
    config: someText({
      description: 'A YAML file of flags by name, and `model`; the command line wins.',
      helpValue: 'FILE',
    }),
    engine: engineFlag(ENGINES),
    threads: threadsFlag,
  };

  override async run(): Promise<EvalReport> {
    const {args, flags} = await this.parseFlags();
    const signal = this.interruptible('stopped; no results were written.');
    const [{evaluate, writeResults}, {load}, {Tokenizer}, {Checkpoint}] = await Promise.all([
      import('../eval/index.js'),
      import('../model/index.js'),
      import('../tokenizer/index.js'),
      import('../checkpoint/index.js'),
    ]);
    const {path} = await this.fetchModel(args.model, signal);
    const checkpoint = await Checkpoint.open(path);
    await checkpoint.close();
    const tokenizer = await Tokenizer.load(checkpoint.folder);
    const model = await load(path, {engine: flags.engine, threads: flags.threads});
    this.note(model.engine.why);
    const progress = await this.progress({title: 'Reading tasks'});
    let evaluated: string | null = null;
    const report = await evaluate(model, tokenizer, {
      tasks: flags.tasks,
      thresholds: flags.threshold,
      taskData: {
        dataFolder: flags['task-data'],
        openDataset: (repo) => {
          progress.begin(`Fetching ${repo}`, format.bytes);
          return this.openDataset(repo, signal, (done, total) => progress.update(done, total));
        },
      },
      limit: flags.limit,
      modelName: args.model,
      onProgress: (done, total, task) => {
        if (task !== evaluated) progress.begin(`Evaluating ${task}`, format.count);
        evaluated = task;
        progress.update(done, total);
      },
      signal,
    });
    progress.stop();
    model.dispose();
    this.log(resultsTable(report));
    if (flags.output) this.note(`Written: ${await writeResults(flags.output, report)}`);
    return report;
  }

  private parseFlags() {
    const words = [...this.argv];
    const parse = (all: string[]) => this.parse(Eval, all);
    const path = wordOf(words, 'config');
    if (path === null) return parse(words);
    const flags = Object.fromEntries(Object.entries(Eval.flags).filter(([name]) => name !== 'config'));
    return parseWithConfig(words, path, {flags, positional: 'model'}, parse);
  }
}

const COLUMNS: Column[] = [
  {title: 'task'},
  {title: 'threshold', align: 'right'},
  {title: 'result'},
  {title: 'slots', align: 'right'},
  {title: 'FLOPs a token', align: 'right'},
  {title: 'of source', align: 'right'},
  {title: 'time', align: 'right'},
];

/** A line for each task at each threshold. */
function resultsTable({ztt, results}: EvalReport): string {
  const rows = Object.keys(results).flatMap((task) =>
    ztt.thresholds.map(({threshold, results: at, tasks}) => {
      const cost = tasks[task]!;
      return [
        task,
        String(threshold),
        metrics(at[task]!),
        `${cost.mean_slots.toFixed(1)}/${ztt.slots}`,
        format.flops(cost.flops_per_token),
        format.ratio(cost.flops_ratio_to_source),
        format.duration(cost.seconds),
      ];
    }),
  );
  return table(COLUMNS, rows);
}

/** `acc 0.930 ± 0.018, acc_norm 0.925 ± 0.019`. */
function metrics(result: Record<string, number | string>): string {
  const number = (value: number | string) => (typeof value === 'number' ? value.toPrecision(4) : value);
  return Object.entries(result)
    .filter(([key]) => key.endsWith(',none') && !key.endsWith('_stderr,none'))
    .map(([key, value]) => {
      const name = key.slice(0, -',none'.length);
      const stderr = result[`${name}_stderr,none`];
      const error = typeof stderr === 'number' ? ` ± ${stderr.toPrecision(2)}` : '';
      return `${name} ${number(value)}${error}`;
    })
    .join(', ');
}

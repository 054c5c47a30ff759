import {join} from 'node:path';
import type {Companion, EvalOptions, EvalReport, Sample} from '../eval/index.js';
import {THREADED_ENGINE_OPTIONS} from '../engine/options.js';
import {EVAL_OPTIONS, TASK_NAMES} from '../eval/options.js';
import {checkOptions, MODEL_FORMS, type OptionTable} from '../options/index.js';
import {
  BaseCommand,
  type Column,
  flagsOf,
  format,
  modelArg,
  optionsOf,
  parseWithConfig,
  table,
} from '../ui/index.js';

/** What is written, and where flags come from. */
const WRITTEN_OPTIONS = {
  output: {
    kind: 'text',
    short: 'o',
    help: 'Also write the JSON results and an HTML report into this folder',
    more: 'There an evaluation that was interrupted goes on when called again.',
    placeholder: 'DIR',
  },
  'log-samples': {
    kind: 'switch',
    needs: {output: true},
    help: 'Also write what came of each row into the folder',
  },
  config: {
    kind: 'text',
    help: 'A YAML file of flags by name, and `model`; the command line wins',
    placeholder: 'FILE',
  },
} as const satisfies OptionTable;

/** `ztt eval`: a model's results on tasks, and what they cost. */
export default class Eval extends BaseCommand {
  static override summary =
    'Score a model on tasks, at full depth, with early exit and within budgets, and measure the cost.';
  static override description =
    `A task is one of ${TASK_NAMES.join(', ')}, whose data the Hub has, or a .jsonl or .parquet file: rows with query, choices ` +
    'and gold are multiple choice, rows with text are last-word prediction, rows with page are rolling perplexity, ' +
    'or a synthetic one: p-hop, mod-add or brackets, as synthetic:p-hop?n=16&p=4&seed=1&rows=1000. Scores are those of lm-evaluation-harness.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks lambada_openai,piqa --limit 200',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks questions.jsonl',
    {
      description: 'With a local copy of the data, laid out as on the Hub',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks arc_easy,boolq --task-data datasets',
    },
    {
      description: 'A model of the Hub, which is downloaded if it is not there yet',
      command: '<%= config.bin %> <%= command.id %> openai-community/gpt2 --tasks questions.jsonl',
    },
    {
      description: 'At four thresholds, with the results as JSON and as a page',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks questions.jsonl,pages.jsonl --threshold 0.2,0.5,0.7,1 --output results',
    },
    {
      description: 'At a threshold for most slots and another for one',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks piqa --threshold 0.5 --slot-threshold 11=0.2',
    },
    {
      description: "For 1.2 and 1.5 times the source's compute, the thresholds chosen on other rows",
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt --tasks piqa --budget 1.2,1.5',
    },
  ];

  static override args = {
    model: modelArg({description: `A ZTT model or a source checkpoint: ${MODEL_FORMS}.`, required: true}),
  };

  static override flags = {
    ...flagsOf(EVAL_OPTIONS),
    ...flagsOf(WRITTEN_OPTIONS),
    ...flagsOf(THREADED_ENGINE_OPTIONS),
  };

  override async run(): Promise<EvalReport> {
    const {args, flags} = await this.parseFlags();
    const given = optionsOf(EVAL_OPTIONS, flags);
    checkOptions(WRITTEN_OPTIONS, optionsOf(WRITTEN_OPTIONS, flags));
    const signal = this.interruptible(
      flags.output
        ? 'stopped; no results were written yet, and the same command goes on from here.'
        : 'stopped; no results were written.',
    );
    const {evaluate, htmlReport, resultsFolder, samplesFile, WorkFile, writeResults} =
      await import('../eval/index.js');
    const {path} = await this.fetchModel(args.model, signal);
    const weights = flags.output ? await weightDigests(path) : {};
    const {model, tokenizer} = await this.loadModel(path, optionsOf(THREADED_ENGINE_OPTIONS, flags));
    const progress = await this.progress({title: 'Reading tasks'});
    const logged: {task: string; threshold: number; samples: Sample[]}[] = [];
    let part: string | null = null;
    const options: EvalOptions = {
      ...given,
      tasks: flags.tasks,
      taskData: this.taskData(flags['task-data'], progress, signal),
      modelName: args.model.text,
      onProgress: (done, total, next) => {
        if (next !== part) progress.begin(`Evaluating ${next}`, format.count);
        part = next;
        progress.update(done, total);
      },
      onSamples: flags['log-samples']
        ? (task, threshold, samples) => logged.push({task, threshold, samples})
        : undefined,
      onNote: (line) => this.note(line),
      signal,
    };
    const work = flags.output
      ? await WorkFile.open(
          join(resultsFolder(flags.output, args.model.text), '.unfinished.jsonl'),
          model,
          weights,
          options,
        )
      : undefined;
    if (work?.other) this.note(OTHER_WORK);
    if (work && work.damaged > 0) {
      this.warnOf([
        `${work.damaged} of the lines that an interrupted evaluation left are damaged; what they held is scored again.`,
      ]);
    }
    if (work && work.batches > 0)
      this.note(`Going on with an interrupted evaluation: ${work.batches} batches are scored.`);
    const report = await evaluate(model, tokenizer, {...options, work}).finally(() => work?.close());
    progress.stop();
    model.dispose();
    this.log(resultsTable(report));
    if (report.ztt.budgets.length > 0) this.log(budgetsTable(report));
    if (Object.keys(report.ztt.text_exits).length > 0) this.log(textExitsTable(report));
    if (flags.output) {
      const deepest = report.ztt.results_threshold;
      const companions: Companion[] = [
        {prefix: 'report', extension: 'html', text: htmlReport(report)},
        ...logged.map(({task, threshold, samples}) => samplesFile(task, threshold, deepest, samples)),
      ];
      for (const file of await writeResults(flags.output, report, companions)) this.note(`Written: ${file}`);
      await work?.remove();
    }
    return report;
  }

  private parseFlags() {
    const parse = (words: string[]) => this.parse(Eval, words);
    return parseWithConfig(this.argv, {flags: Eval.flags, positional: 'model'}, parse);
  }
}

/** The sha256 of each of a model's weight files, by the file's name. */
async function weightDigests(path: string): Promise<Record<string, string>> {
  const {Checkpoint} = await import('../checkpoint/index.js');
  const checkpoint = await Checkpoint.open(path);
  try {
    return await checkpoint.sha256();
  } finally {
    await checkpoint.close();
  }
}

const OTHER_WORK =
  'An interrupted evaluation lies there of another model, other tasks or flags; this one starts anew.';

const COLUMNS: Column[] = [
  {title: 'task'},
  {title: 'threshold', align: 'right'},
  {title: 'result'},
  {title: 'slots', align: 'right'},
  {title: 'FLOPs a token', align: 'right'},
  {title: 'of source', align: 'right'},
  {title: 'a question', align: 'right'},
  {title: 'alone', align: 'right'},
];

/** A line for each task at each threshold. */
function resultsTable({ztt, results}: EvalReport): string {
  const milliseconds = (seconds: number | undefined) =>
    seconds === undefined ? '' : `${(seconds * 1000).toPrecision(3)} ms`;
  const rows = Object.keys(results).flatMap((task) =>
    ztt.thresholds.map(({threshold, results: at, tasks}) => {
      const cost = tasks[task]!;
      return [
        task,
        shown(threshold),
        metrics(at[task]!),
        `${cost.mean_slots.toFixed(1)}/${ztt.slots}`,
        format.flops(cost.flops_per_token),
        format.ratio(cost.flops_ratio_to_source),
        milliseconds(cost.timing?.batched_seconds),
        milliseconds(cost.timing?.single_seconds),
      ];
    }),
  );
  return table(COLUMNS, rows);
}

/** A line for each budget. */
function budgetsTable({ztt}: EvalReport): string {
  const columns: Column[] = [
    {title: 'budget'},
    {title: 'threshold', align: 'right'},
    {title: 'where chosen', align: 'right'},
    {title: 'here', align: 'right'},
  ];
  return table(
    columns,
    ztt.budgets.map(({budget, unit, threshold, calibrated, achieved}) => {
      const show = unit === 'source' ? format.ratio : format.flops;
      return [budget, shown(threshold), show(calibrated), show(achieved)];
    }),
  );
}

/** A line for each exit of texts: what it costs, and what it costs those that the signal lets exit. */
function textExitsTable({ztt}: EvalReport): string {
  const columns: Column[] = [
    {title: 'exits of whole texts'},
    {title: 'slots', align: 'right'},
    {title: 'nats a token', align: 'right'},
    {title: 'correlation', align: 'right'},
    {title: 'share of random: 25 %', align: 'right'},
    {title: '50 %', align: 'right'},
    {title: '75 %', align: 'right'},
  ];
  const estimate = (of: {value: number; low: number; high: number} | null) =>
    of === null ? '' : `${of.value.toFixed(2)} (${of.low.toFixed(2)} to ${of.high.toFixed(2)})`;
  const rows = Object.entries(ztt.text_exits).flatMap(([task, exits]) =>
    exits.map(({texts, slots, full_slots: full, cost, signal}) => [
      `${task}, ${texts} texts`,
      `${slots}/${full}`,
      cost.toFixed(3),
      estimate(signal.correlation),
      ...signal.shares.map(({of_random: share}) => estimate(share)),
    ]),
  );
  return table(columns, rows);
}

/** A threshold as people read it: what was chosen has more digits than mean anything. */
const shown = (threshold: number): string => String(Number(threshold.toPrecision(4)));

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

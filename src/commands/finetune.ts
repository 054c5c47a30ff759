import {access} from 'node:fs/promises';
import {join} from 'node:path';
import type {FinetuneReport, RunPlan} from '../finetune/index.js';
import {FOLDER_OPTIONS, RUN_OPTIONS} from '../finetune/options.js';
import {MODEL_FORMS, type OptionTable} from '../options/index.js';
import {
  BaseCommand,
  facts,
  flagsOf,
  format,
  modelArg,
  optionsOf,
  parseWithConfig,
  planFacts,
  wordOf,
} from '../ui/index.js';

/** Where flags come from, and whether anything is done. */
const CONFIGURED_OPTIONS = {
  config: {
    kind: 'text',
    help: 'A YAML file of flags by name, and `model`; the command line wins',
    more: "A run's own is in its config.yaml.",
    placeholder: 'FILE',
  },
  'dry-run': {
    kind: 'switch',
    help: 'Print what the run would take, parameters, memory, FLOPs and disk, and do nothing',
  },
} as const satisfies OptionTable;

/** The progress bar's title while data is read. */
const READING = {checking: 'Checking the data', tokenising: 'Tokenising the data'};

/** `ztt finetune`: trains a model on text. */
export default class Finetune extends BaseCommand {
  static override summary = 'Fine-tune a model on text; interrupt it and go on with --resume.';
  static override description =
    'The output folder is a run: metrics.jsonl, checkpoints/step-N, and at the end the model itself. ' +
    'The first Ctrl-C saves the step and stops; --resume goes on from there, and gives the same weights as an ' +
    'uninterrupted run.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt --output run --data train.txt',
    {
      description: 'Longer, on two files, saved every 50 steps',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt -o run --data a.txt b.jsonl --steps 1000 --save-every 50',
    },
    {
      description:
        'Batches of 32 sequences that fit in the memory of 4, and a learning rate that falls along a line',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt -o run --data a.txt --batch-size 4 --accumulate 8 --lr-schedule linear',
    },
    {
      description:
        'Three sequences of a column of a file for each of a dataset of the Hub, and text of its own to evaluate on',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt -o run --data stories.jsonl:story=3 Salesforce/wikitext:wikitext-2-raw-v1=1 --held-out-data held-out.txt',
    },
    {
      description: 'A model of the Hub, which is downloaded if it is not there yet',
      command: '<%= config.bin %> <%= command.id %> user/gpt2-ztt --output run --data train.txt',
    },
    {
      description: 'Go on after an interruption',
      command: '<%= config.bin %> <%= command.id %> --output run --resume',
    },
    {
      description: 'What a run would take, with as many sequences at a time as fit the memory',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt -o run --data train.txt --batch-size auto --dry-run',
    },
    {
      description: 'The flags of an earlier run, with another learning rate',
      command: '<%= config.bin %> <%= command.id %> --config run/config.yaml --output run2 --lr 3e-4',
    },
  ];

  static override args = {
    model: modelArg({
      description: `A ZTT model, or a source checkpoint, which is trained as vanilla: ${MODEL_FORMS}.`,
      required: true,
    }),
  };

  static override flags = {
    ...flagsOf(FOLDER_OPTIONS),
    ...flagsOf(CONFIGURED_OPTIONS),
    ...flagsOf(RUN_OPTIONS),
  };

  override async run(): Promise<FinetuneReport | RunPlan> {
    const {args, flags} = await this.parseFlags();
    const {finetune, planFinetune} = await import('../finetune/index.js');
    const signal = this.interruptible('stopped before the first step; run the same command again.');
    const {path, name, revision} = await this.fetchModel(args.model, signal);
    const teacher = flags.teacher === undefined ? null : await this.fetchModel(flags.teacher, signal);
    const options = {
      ...optionsOf(RUN_OPTIONS, flags),
      ...optionsOf(FOLDER_OPTIONS, flags),
      data: flags.data,
      output: flags.output,
      teacher: teacher?.path,
      model: path,
      source: revision === null ? undefined : {name, revision},
    };
    if (flags['dry-run']) {
      const plan = await planFinetune(options);
      this.log(planFacts(plan));
      return plan;
    }
    const progress = await this.progress({title: READING.checking});
    let title: string | undefined;
    const begin = (next: string, amount = format.count) => {
      if (next !== title) progress.begin(next, amount);
      title = next;
    };
    let heldOutLoss: number | undefined;
    const report = await finetune({
      ...options,
      openDataset: (repo) =>
        this.openDataset(repo, signal, (done, total) => {
          begin(`Fetching ${repo}`, format.bytes);
          progress.update(done, total);
        }),
      onData: (phase, done, total) => {
        begin(READING[phase], format.bytes);
        progress.update(done, total);
      },
      onStep: ({step, steps, loss, held_out: heldOut, tokens_per_second: speed}) => {
        heldOutLoss = heldOut?.loss ?? heldOutLoss;
        const held = heldOutLoss === undefined ? '' : ` · held-out ${heldOutLoss.toFixed(3)}`;
        const detail = `loss ${loss.toFixed(3)}${held} · ${format.count(speed)} tokens/s`;
        begin('Fine-tuning');
        progress.update(step, steps, detail);
      },
      onNote: (line) => this.note(line),
      onWarning: (line) => this.warnOf([line]),
      signal,
    });
    progress.stop();
    this.print(report);
    if (!report.alreadyFinished) {
      this.note(`Next: ztt eval ${report.output} --tasks FILE, or ztt push ${report.output} USER/NAME`);
    }
    return report;
  }

  /** The command line with the flags of --config, or of the run that is resumed, where it does not give them. */
  private async parseFlags() {
    const path = wordOf(this.argv, 'config') ?? (await this.configOfRun(this.argv));
    const target = {flags: Finetune.flags, but: ['resume', 'dry-run'], positional: 'model', path};
    return parseWithConfig(this.argv, target, (words) => this.parse(Finetune, words));
  }

  private async configOfRun(words: string[]): Promise<string | null> {
    const output = wordOf(words, 'output', 'o');
    if (!words.includes('--resume') || output === null) return null;
    const path = join(output, 'config.yaml');
    return access(path).then(
      () => path,
      () => null,
    );
  }

  private print(report: FinetuneReport): void {
    const {output, steps, resumedFrom, loss, best, stoppedEarlyAt} = report;
    if (report.alreadyFinished) {
      this.log(`${output} is finished already: there is nothing to resume.`);
      return;
    }
    this.log(output);
    const resumed = resumedFrom > 0 ? `, resumed from ${format.count(resumedFrom)}` : '';
    const early = stoppedEarlyAt === null ? '' : `, stopped early after ${format.count(stoppedEarlyAt)}`;
    this.log(
      facts([
        ['steps', `${format.count(steps)}${resumed}${early}`],
        ['loss', loss === null ? 'none' : `${loss.toFixed(4)} nats a token in the last step`],
        ...(best === null
          ? []
          : [
              [
                'held-out loss',
                `${best.loss.toFixed(4)} nats a token, the best, after step ${best.step}`,
              ] as const,
            ]),
        [
          'tokens',
          `${format.count(report.trainedTokens)} trained on, ${format.count(report.dataTokens)} in the data`,
        ],
        ['time', format.duration(report.seconds)],
      ]),
    );
  }
}

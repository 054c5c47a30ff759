import {access} from 'node:fs/promises';
import {join} from 'node:path';
import {Flags} from '@oclif/core';
import {ENGINES} from '../engine/index.js';
import type {FinetuneReport, RunPlan} from '../finetune/index.js';
import {
  BaseCommand,
  distillFlags,
  dataFlags,
  engineFlags,
  facts,
  format,
  MODEL_FORMS,
  modelArg,
  parseWithConfig,
  planFacts,
  runFlags,
  runOptions,
  optimizerFlags,
  optimizerOptions,
  someText,
  threadsFlag,
  recipeFlags,
  recipeOptions,
  trainFlags,
  trainOptions,
  wholeNumber,
  wholeNumberOrAuto,
  wordOf,
} from '../ui/index.js';

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
    output: someText({
      char: 'o',
      description: 'The run folder; it must not exist, or be empty, unless --resume.',
      helpValue: 'DIR',
      required: true,
    }),
    ...dataFlags,
    config: someText({
      description:
        "A YAML file of flags by name, and `model`; the command line wins. A run's own is in its config.yaml.",
      helpValue: 'FILE',
    }),
    resume: Flags.boolean({
      description:
        'Go on from the newest checkpoint in the run folder, with the flags of its config.yaml unless given.',
    }),
    'dry-run': Flags.boolean({
      description: 'Print what the run would take, parameters, memory, FLOPs and disk, and do nothing.',
    }),
    steps: wholeNumber({
      description: 'Optimiser steps; 200 unless given.',
      helpGroup: 'TRAINING',
      min: 1,
      max: 1e9,
    }),
    'batch-size': wholeNumberOrAuto({
      description:
        'Sequences a micro-batch; 8 unless given. auto divides the sequences of a step, 8 times --accumulate, into micro-batches that fit the memory.',
      helpGroup: 'TRAINING',
      min: 1,
      max: 1e6,
    }),
    'seq-len': wholeNumber({
      description: 'Tokens a sequence; what the model takes, at most 256, unless given.',
      helpGroup: 'TRAINING',
      min: 2,
      max: 1e7,
    }),
    seed: wholeNumber({
      description: 'Seed of the order of the data and of dropout; 0 unless given.',
      helpGroup: 'TRAINING',
      min: -(2 ** 31),
      max: 2 ** 31,
    }),
    'checkpoint-cycles': Flags.boolean({
      description: 'Keep the activations of one cycle at a time: less memory, one more forward pass a step.',
      helpGroup: 'TRAINING',
    }),
    ...trainFlags,
    ...distillFlags,
    ...recipeFlags,
    ...optimizerFlags,
    ...runFlags,
    ...engineFlags(ENGINES),
    threads: threadsFlag,
  };

  override async run(): Promise<FinetuneReport | RunPlan> {
    const {args, flags} = await this.parseFlags();
    const {finetune, planFinetune} = await import('../finetune/index.js');
    const signal = this.interruptible('stopped before the first step; run the same command again.');
    const {path, name, revision} = await this.fetchModel(args.model, signal);
    const teacher = flags.teacher === undefined ? null : await this.fetchModel(flags.teacher, signal);
    const options = {
      model: path,
      source: revision === null ? undefined : {name, revision},
      output: flags.output,
      data: flags.data,
      heldOut: flags['held-out'],
      heldOutData: flags['held-out-data'],
      isolateDocuments: flags['isolate-documents'],
      steps: flags.steps,
      batchSize: flags['batch-size'],
      seqLen: flags['seq-len'],
      ...trainOptions(flags),
      teacher: teacher?.path,
      distillWeight: flags['distill-weight'],
      distillTemperature: flags['distill-temperature'],
      ...recipeOptions(flags),
      ...optimizerOptions(flags),
      ...runOptions(flags),
      seed: flags.seed,
      resume: flags.resume,
      checkpointCycles: flags['checkpoint-cycles'],
      engine: flags.engine,
      device: flags.device,
      threads: flags.threads,
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

import {Args, Flags} from '@oclif/core';
import type {PushPhase, PushProgress, PushReport} from '../hub/index.js';
import {BaseCommand, format, table, type Progress} from '../ui/index.js';

const PHASES: Record<PushPhase, string> = {
  checking: 'Checking',
  hashing: 'Reading files',
  uploading: 'Uploading',
  committing: 'Committing',
  verifying: 'Verifying',
};

/** `ztt push`: a model to the Hub. */
export default class Push extends BaseCommand {
  static override summary = 'Upload a model folder to the Hugging Face Hub.';
  static override description =
    'Creates the repo if there is none and sends config, weights, tokenizer, README and code in one ' +
    'commit; everything else in the folder stays behind. The token is HF_TOKEN, or what `hf auth ' +
    'login` saved; HF_ENDPOINT names another Hub.';
  static override examples = [
    {
      description: 'See what would go, without reaching the Hub',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --dry-run',
    },
    '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --private',
  ];

  static override args = {
    dir: Args.string({description: "A model's folder.", required: true, ignoreStdin: true}),
    repo: Args.string({
      description: 'The repo: user/name.',
      required: true,
      ignoreStdin: true,
    }),
  };

  static override flags = {
    private: Flags.boolean({description: 'Create the repo private; refuse one that is public.'}),
    'dry-run': Flags.boolean({description: 'Only say what would go.'}),
  };

  override async run(): Promise<PushReport> {
    const {args, flags} = await this.parse(Push);
    const {push} = await import('../hub/index.js');
    const progress = await this.progress({title: PHASES.checking, amount: format.bytes});
    const report = await push({
      dir: args.dir,
      repo: args.repo,
      private: flags.private,
      dryRun: flags['dry-run'],
      onProgress: (event) => show(event, progress),
      signal: this.interruptible('stopped; the Hub has the whole commit or nothing of it.'),
    });
    progress.stop();
    this.print(report);
    return report;
  }

  private print({files, leftOut, bytes, dryRun, url, commit, created, alsoInRepo}: PushReport): void {
    const rows = [
      ...files.map((file) => [file.path, format.bytes(file.bytes), '']),
      ...leftOut.map(({path, reason}) => [path, '', `left out: ${reason}`]),
    ];
    this.log(table([{title: 'file'}, {title: 'size', align: 'right'}, {title: ''}], rows));
    const amount = `${format.plural(files.length, 'file')}, ${format.bytes(bytes)}`;
    if (dryRun) {
      this.log(`\nWould push ${amount} to ${url}; nothing was sent.`);
      return;
    }
    this.log(`\nPushed ${amount} to ${url}${created ? ' (new)' : ''} as commit ${commit}.`);
    const others = (alsoInRepo ?? []).filter((path) => path !== '.gitattributes');
    if (others.length > 0) this.log(`The repo also holds, from before: ${others.join(', ')}.`);
  }
}

function show(event: PushProgress, progress: Progress): void {
  if (event.event === 'phase') progress.begin(PHASES[event.phase]);
  else if (event.event === 'bytes') progress.update(event.sent, event.total);
  else {
    const {attempt, attempts, reason, waitMs} = event;
    progress.note(
      `attempt ${attempt} of ${attempts} failed (${reason}); trying again in ${format.duration(waitMs / 1000)}`,
    );
  }
}

import {Args} from '@oclif/core';
import type {PushPhase, PushProgress, PushReport} from '../hub/index.js';
import {CARD_OPTIONS} from '../card/options.js';
import {PUSH_OPTIONS} from '../hub/options.js';
import type {OptionTable} from '../options/index.js';
import {BaseCommand, flagsOf, format, optionsOf, type Progress, table} from '../ui/index.js';

const PHASES: Record<PushPhase, string> = {
  checking: 'Checking',
  comparing: 'Comparing',
  hashing: 'Reading files',
  uploading: 'Uploading',
  committing: 'Committing',
  verifying: 'Verifying',
};

/** Whether a card is made. */
const MADE_OPTIONS = {
  card: {
    kind: 'switch',
    deniable: true,
    default: true,
    help: "Make the model card, in the folder's README.md, before it is pushed",
  },
} as const satisfies OptionTable;

/** `ztt push`: a model to the Hub. */
export default class Push extends BaseCommand {
  static override summary = 'Upload a model folder to the Hugging Face Hub.';
  static override description =
    'Creates the repo if it does not exist, and sends config, weights, tokenizer, README and code in one ' +
    'commit; all other files stay behind. ztt makes a model card from the files in the folder and ' +
    'writes it into README.md, around your own text. It does not send files again that the Hub has, and ' +
    'what it has in the end is checked by its hashes. The token is HF_TOKEN, or what `hf auth login` saved; ' +
    'HF_ENDPOINT names another Hub.';
  static override examples = [
    {
      description: 'See which files would be sent, without reaching the Hub',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --dry-run',
    },
    '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --private',
    {
      description: 'With the results of an evaluation in the card',
      command:
        '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --results results/gpt2-ztt/results_2026-01-01T00-00-00.000.json',
    },
    {
      description: 'To a branch, and as a pull request',
      command: '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --revision half-depth',
    },
    '<%= config.bin %> <%= command.id %> gpt2-ztt someone/gpt2-ztt --create-pr --message "Three cycles"',
  ];

  static override args = {
    dir: Args.string({description: "A model's folder.", required: true, ignoreStdin: true}),
    repo: Args.string({
      description: 'The repo: user/name.',
      required: true,
      ignoreStdin: true,
    }),
  };

  static override flags = {...flagsOf(PUSH_OPTIONS), ...flagsOf(CARD_OPTIONS), ...flagsOf(MADE_OPTIONS)};

  override async run(): Promise<PushReport> {
    const {args, flags} = await this.parse(Push);
    const [{push}, {makeCard}] = await Promise.all([import('../hub/index.js'), import('../card/index.js')]);
    const {dir: folder, repo} = args;
    const addFiles = async (remote: string | null) =>
      (await makeCard({folder, repo, ...optionsOf(CARD_OPTIONS, flags), remote})) ??
      new Map<string, string>();
    const progress = await this.progress({title: PHASES.checking, amount: format.bytes});
    const report = await push({
      dir: folder,
      repo,
      ...optionsOf(PUSH_OPTIONS, flags),
      addFiles: flags.card ? addFiles : undefined,
      onProgress: (event) => show(event, progress),
      onNote: (line) => progress.note(line),
      signal: this.interruptible('stopped; the Hub has the whole commit or nothing of it.'),
    });
    progress.stop();
    this.print(report);
    return report;
  }

  private print(report: PushReport): void {
    const {files, leftOut, bytes, bytesNotSent, dryRun, url, revision, commit, created, alsoInRepo} = report;
    const rows = [
      ...files.map((file) => [file.path, format.bytes(file.bytes), file.unchanged ? 'unchanged' : '']),
      ...leftOut.map(({path, reason}) => [path, '', `left out: ${reason}`]),
    ];
    this.log(table([{title: 'file'}, {title: 'size', align: 'right'}, {title: ''}], rows));
    const amount = `${format.plural(files.length, 'file')}, ${format.bytes(bytes)}`;
    const where = revision === 'main' ? url : `${url}, ${revision}`;
    if (dryRun) {
      if (report.card) this.log(`\nREADME.md would be:\n\n${report.card}`);
      this.log(`\nWould push ${amount} to ${where}; nothing was sent.`);
      return;
    }
    if (files.every(({unchanged}) => unchanged)) {
      this.log(`\n${where} holds all of it already (${amount}) in commit ${commit}; nothing was sent.`);
      return;
    }
    const isNew = created?.repo ? ' (new)' : created?.branch ? ' (a new branch)' : '';
    this.log(`\nPushed ${amount} to ${where}${isNew} as commit ${commit}.`);
    if (bytesNotSent)
      this.log(`Of these, the Hub had ${format.bytes(bytesNotSent)} already; they were not sent.`);
    if (report.pullRequest) this.log(`The pull request: ${report.pullRequest}`);
    const others = (alsoInRepo ?? []).filter((path) => path !== '.gitattributes');
    if (others.length > 0) this.log(`The repo also holds, from before: ${others.join(', ')}.`);
  }
}

function show(event: PushProgress, progress: Progress): void {
  if (event.event === 'phase') progress.begin(PHASES[event.phase]);
  else progress.update(event.sent, event.total);
}

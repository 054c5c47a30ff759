import {Args} from '@oclif/core';
import type {PullReport} from '../hub/index.js';
import {PULL_OPTIONS} from '../hub/options.js';
import {BaseCommand, flagsOf, format, table} from '../ui/index.js';

/** `ztt pull`: a model of the Hub to a folder. */
export default class Pull extends BaseCommand {
  static override summary = 'Download a model of the Hugging Face Hub into a folder.';
  static override description =
    'Downloads the files that ztt push sends: config, weights, tokenizer, code and card, and checks each by its hash. Other ' +
    'commands take a repo by its name and need no folder; pull a model to change it and push it again.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> user/gpt2-ztt --output gpt2-ztt',
    '<%= config.bin %> <%= command.id %> user/gpt2-ztt@half-depth -o gpt2-ztt --force',
  ];

  static override args = {
    model: Args.string({
      description: 'The repo: user/name, perhaps with @branch, @tag, @commit or @refs/pr/N.',
      required: true,
      ignoreStdin: true,
    }),
  };

  static override flags = flagsOf(PULL_OPTIONS);

  override async run(): Promise<PullReport> {
    const {args, flags} = await this.parse(Pull);
    const {pull} = await import('../hub/index.js');
    const progress = await this.progress({title: `Fetching ${args.model}`, amount: format.bytes});
    const report = await pull({
      model: args.model,
      output: flags.output,
      force: flags.force,
      onProgress: (done, total) => progress.update(done, total),
      onNote: (line) => progress.note(line),
      signal: this.interruptible('stopped; what came is kept in the cache.'),
    });
    progress.stop();
    const {files, leftOut, output, repo, commit} = report;
    const rows = files.map(({path, bytes}) => [path, format.bytes(bytes)]);
    this.log(table([{title: 'file'}, {title: 'size', align: 'right'}], rows));
    this.log(`\nPulled ${format.plural(files.length, 'file')} of ${repo} at ${commit} into ${output}.`);
    const others = leftOut.filter((name) => name !== '.gitattributes');
    if (others.length > 0) this.log(`Left in the repo: ${others.join(', ')}.`);
    return report;
  }
}

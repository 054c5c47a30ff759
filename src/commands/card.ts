import {Args} from '@oclif/core';
import {UnsupportedError} from '../errors.js';
import {BaseCommand, cardFlags, cardOptions} from '../ui/index.js';

/** What `ztt card` did. */
interface CardReport {
  /** The files that were written: those that were not so already. */
  written: string[];
  /** README.md. */
  card: string;
}

/** `ztt card`: the model card of a model's folder. */
export default class Card extends BaseCommand {
  static override summary = "Write a model's card, as ztt push does, to look at and to add to.";
  static override description =
    "README.md gets the Hub's metadata and, between two markers, what the model is, its results with a plot, how it " +
    'was made and is used. What you write outside the markers, and metadata that you add, change or take out, stays ' +
    'as it is whenever the card is made anew.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt',
    '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --base-model openai-community/gpt2',
  ];

  static override args = {
    dir: Args.string({description: "A ZTT model's folder.", required: true, ignoreStdin: true}),
    repo: Args.string({description: 'The repo it is for: user/name.', required: true, ignoreStdin: true}),
  };

  static override flags = cardFlags;

  override async run(): Promise<CardReport> {
    const {args, flags} = await this.parse(Card);
    const [{makeCard}, {parseRepoId}, {README}, {writeFilesWhole}] = await Promise.all([
      import('../card/index.js'),
      import('../hub/index.js'),
      import('../checkpoint/index.js'),
      import('../files/index.js'),
    ]);
    const {id: repo} = parseRepoId(args.repo);
    const card = await makeCard({folder: args.dir, repo, ...cardOptions(flags)});
    if (card === null) {
      throw new UnsupportedError(
        `${args.dir} is no ZTT model, and its files do not tell how it was made; write its README.md by hand.`,
      );
    }
    const written = await writeFilesWhole(args.dir, card);
    for (const name of written) this.note(`Written: ${name}`);
    const text = card.get(README)!;
    this.log(text);
    return {written, card: text};
  }
}

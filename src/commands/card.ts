import {Args} from '@oclif/core';
import {UnsupportedError} from '../errors.js';
import {CARD_OPTIONS} from '../card/options.js';
import {BaseCommand, flagsOf, optionsOf} from '../ui/index.js';

/** The result of `ztt card`. */
interface CardReport {
  /** The files that were written: those that were not so already. */
  written: string[];
  /** README.md. */
  card: string;
}

/** `ztt card`: the model card of a model's folder. */
export default class Card extends BaseCommand {
  static override summary = "Write a model's card as ztt push does, so that you can read it and add to it.";
  static override description =
    "README.md gets the Hub's metadata and, between two markers, a description of the model, its results with a plot, how it " +
    'was made and how to use it. Your text outside the markers stays as it is when the card is made anew, and so does ' +
    'metadata that you add, change or remove.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt',
    '<%= config.bin %> <%= command.id %> gpt2-ztt user/gpt2-ztt --base-model openai-community/gpt2',
  ];

  static override args = {
    dir: Args.string({description: "A ZTT model's folder.", required: true, ignoreStdin: true}),
    repo: Args.string({description: 'The repo it is for: user/name.', required: true, ignoreStdin: true}),
  };

  static override flags = flagsOf(CARD_OPTIONS);

  override async run(): Promise<CardReport> {
    const {args, flags} = await this.parse(Card);
    const [{makeCard}, {parseRepoId}, {README}, {writeFilesWhole}] = await Promise.all([
      import('../card/index.js'),
      import('../hub/index.js'),
      import('../checkpoint/index.js'),
      import('../files/index.js'),
    ]);
    const {id: repo} = parseRepoId(args.repo);
    const card = await makeCard({folder: args.dir, repo, ...optionsOf(CARD_OPTIONS, flags)});
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

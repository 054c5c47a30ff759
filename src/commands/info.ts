import type {ModelDescription} from '../convert/index.js';
import {MODEL_FORMS} from '../options/index.js';
import {BaseCommand, facts, format, layoutOf, modelArg, proofFacts, slotsOf} from '../ui/index.js';

/** `ztt info`: what a checkpoint is. */
export default class Info extends BaseCommand {
  static override summary = 'Show what a checkpoint is: layout, sizes, parameters, FLOPs, source.';
  static override description =
    'Reads the config and the headers of the weights only; for a repo of the Hub that is a few hundred kilobytes. ' +
    'Takes ZTT models and sources, and shows the certificate of a conversion (all of it with --json).';
  static override examples = [
    '<%= config.bin %> <%= command.id %> gpt2-ztt',
    '<%= config.bin %> <%= command.id %> gpt2-ztt --json',
    '<%= config.bin %> <%= command.id %> facebook/opt-66b',
  ];

  static override args = {
    model: modelArg({description: `A ZTT model or a source checkpoint: ${MODEL_FORMS}.`, required: true}),
  };

  override async run(): Promise<ModelDescription> {
    const {args} = await this.parse(Info);
    const {describeModel} = await import('../convert/index.js');
    const {files, name, revision} = await this.openModel(args.model, this.interruptible('stopped.'));
    const model = await describeModel(files, {name, revision});
    this.print(model);
    this.warnOf(model.notes);
    return model;
  }

  private print(model: ModelDescription): void {
    const {sizes, parameters, flopsPerToken, files} = model;
    const kind = model.kind === 'ztt' ? 'ZTT model' : 'source checkpoint, which runs as vanilla';
    const at = model.revision ? ` at ${model.revision}` : '';
    this.log(`${model.path}${at}: ${model.family}, ${kind}`);
    this.log(
      facts([
        ['layout', layoutOf(model)],
        ['slots', `${model.slots.length}: ${slotsOf(model)}`],
        ['early exit', earlyExit(model)],
        [
          'sizes',
          `width ${sizes.width}, ${headsOf(sizes)}, feed-forward ${sizes.feedForward}, vocabulary ${format.count(sizes.vocabulary)}, ` +
            `up to ${format.count(sizes.maxPositions)} tokens, LM head ${model.tied ? 'tied' : 'untied'}`,
        ],
        [
          'parameters',
          `${format.count(parameters.all)} (${format.count(parameters.withoutEmbeddings)} without embeddings), ` +
            `${format.ratio(parameters.all / parameters.source)} the source's`,
        ],
        ...loraFacts(model),
        [
          'FLOPs a token',
          `${format.flops(flopsPerToken.fullDepth)}, ${format.ratio(flopsPerToken.ratioToSource)} the source's, at full depth and length`,
        ],
        [
          'dtypes',
          model.dtypes.map(({dtype, tensors}) => `${dtype} (${format.plural(tensors, 'tensor')})`).join(', '),
        ],
        ...sourceFacts(model),
        ...(model.certificate ? proofFacts(model.certificate) : []),
        ['files', files.map(({name, bytes}) => `${name} (${format.bytes(bytes)})`).join('\n')],
      ]),
    );
  }
}

function earlyExit({layout, threshold, exitFromCycle, zeroInit}: ModelDescription): string {
  if (layout !== 'ztt') return 'none: the layout has no zero tokens';
  const when =
    threshold < 1
      ? `threshold ${threshold}, from cycle ${exitFromCycle}`
      : 'off (threshold 1) unless asked for';
  const keys = zeroInit
    ? `; zero keys began as ${zeroInit.kind}${zeroInit.kind === 'normal' ? `, seed ${zeroInit.seed}` : ''}${zeroInit.beta === undefined ? '' : `, beta ${zeroInit.beta}`}`
    : '';
  return when + keys;
}

function loraFacts({lora}: ModelDescription): [string, string][] {
  if (!lora) return [];
  const {rank, alpha, per, targets, parameters} = lora;
  const whose = per === 'cycle' ? 'in each cycle' : 'shared by the cycles';
  return [
    [
      'LoRA',
      `rank ${rank}, alpha ${alpha}, ${whose}, on ${targets.join(', ')}: ${format.count(parameters)} parameters`,
    ],
  ];
}

function sourceFacts({source, middleSources, share}: ModelDescription): [string, string][] {
  if (!source) return [];
  const revision = source.revision ? ` at ${source.revision}` : '';
  const digests = Object.entries(source.sha256).map(([file, sha256]) => `${file} sha256 ${sha256}`);
  const places = middleSources.map((layers) => layers.join('+')).join(' ');
  return [
    ['source', [`${source.name}${revision}`, ...digests].join('\n')],
    ...(share === 'keep' ? [] : ([['middle from', `source layers ${places}`]] as [string, string][])),
  ];
}

/** For example `4 heads`, or `4 heads of 16, 2 of keys and values` where that does not follow from the width. */
function headsOf({width, heads, kvHeads, headSize}: ModelDescription['sizes']): string {
  if (kvHeads === heads && heads * headSize === width) return `${heads} heads`;
  return `${heads} heads of ${headSize}, ${kvHeads} of keys and values`;
}

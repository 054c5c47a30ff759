import {numeral} from '../charts/index.js';
import {familyNamed} from '../model/index.js';
import {sourceRepo, type CardFacts} from './facts.js';
import {code, digits, factTable, plain, whole} from './markdown.js';
import {resultsText} from './results-text.js';

const PAPER = '[Zero Token Transformer](https://arxiv.org/abs/2502.12214)';

/** The part of a card that is generated: what the model is, what it gives, how it was made and is used, its limits. */
export function cardText(facts: CardFacts): string {
  const sections = [about(facts), resultsText(facts), making(facts), use(facts), limits(facts)];
  return sections.filter((section) => section !== null).join('\n\n');
}

function about(facts: CardFacts): string {
  const {repo, model, ztt} = facts;
  const {head, middle, tail, cycles, layout, slots, parameters, flopsPerToken, sizes} = model;
  const arrangement =
    layout === 'vanilla' || layout === 'bc'
      ? `${layout}: ${middle} layers, run ${times(cycles)}`
      : `${layout}: ${head} + ${middle} + ${tail} layers, the middle run ${times(cycles)}`;
  const exits = model.zeroInit !== null;
  return [
    `# ${plain(repo.split('/')[1] ?? repo)}`,
    `A ${layout === 'ztt' ? PAPER : `cycled transformer (${layout})`} made of ${sourceLink(facts)}: ${whole(slots.length)} executed layers with ${numeral(parameters.all)} parameters.` +
      (exits
        ? ' Each executed layer has a zero token in its attention, a trainable key whose value is zero; the weight that it draws says how little the layer has to add. Above a threshold the model stops cycling, so that one checkpoint serves many compute budgets.'
        : ''),
    factTable([
      ['family', familyNamed(model.family).title],
      ['layout', `${arrangement}: ${slots.length} layers executed, ${sizes.layers} in the source`],
      [
        'parameters',
        `${whole(parameters.all)} (${whole(parameters.withoutEmbeddings)} without embeddings); the source has ${whole(parameters.source)}`,
      ],
      [
        'FLOPs a token, full depth',
        `${numeral(flopsPerToken.fullDepth)}, ${flopsPerToken.ratioToSource.toFixed(2)}x the source's`,
      ],
      ...(exits ? [['early exit', exitText(ztt)] as const] : []),
      ...(model.lora
        ? [['LoRA', `rank ${model.lora.rank}, ${plain(model.lora.targets.join(', '))}`] as const]
        : []),
      ['context', `${whole(sizes.maxPositions)} tokens`],
      ['stored as', model.dtypes.map(({dtype}) => dtype).join(', ')],
    ]),
  ].join('\n\n');
}

const times = (n: number): string => (n === 1 ? 'once' : n === 2 ? 'twice' : `${n} times`);

function exitText({
  threshold,
  exit_from_cycle: from,
  exit_score: score = 'zero-attention',
}: CardFacts['ztt']): string {
  if (threshold >= 1) return 'off by default (threshold 1)';
  return `above ${score.replaceAll('-', ' ')} ${digits(threshold)}, from cycle ${from} on`;
}

function sourceLink(facts: CardFacts): string {
  const repo = sourceRepo(facts);
  return repo ? `[${plain(repo)}](https://huggingface.co/${repo})` : code(facts.ztt.source.name);
}

function making(facts: CardFacts): string {
  const {ztt, model, run} = facts;
  const {certificate} = model;
  const {revision} = ztt.source;
  const zero = ztt.zero_init ? `; zero keys set by ${code(ztt.zero_init.kind)}` : '';
  const source = `Source: ${sourceLink(facts)}${revision ? ` at commit ${code(revision)}` : ''}; middle layers: ${code(ztt.share)}${zero}.`;
  return [
    '## How it was made',
    ztt.source.name === 'random'
      ? 'Its weights began at random.'
      : `${source} The sha256 of the source's weight files are in config.json.`,
    ...(certificate ? [proofText(certificate)] : []),
    run ? runText(run) : 'It has not been fine-tuned since it was converted, as far as its files tell.',
  ].join('\n\n');
}

function proofText({tensors, logits}: NonNullable<CardFacts['model']['certificate']>): string {
  const number = (...hows: string[]) => tensors.filter(({how}) => hows.includes(how)).length;
  const proof = `Every tensor was read back after the conversion and checked against the source: ${number('copied')} have its bytes, ${number('cast', 'averaged')} were made from it once more, ${number('made')} are new. [ztt_certificate.json](ztt_certificate.json) lists each with its sha256.`;
  if (!logits) return proof;
  return `${proof} On ${whole(logits.tokens)} tokens, as it ran then, its loss was ${digits(logits.converted_loss)} nats a token, the source's ${digits(logits.source_loss)}; mean KL ${digits(logits.mean_kl)}.`;
}

function runText(run: NonNullable<CardFacts['run']>): string {
  const datasets = run.datasets.map(
    (name) => `[${plain(name)}](https://huggingface.co/datasets/${encodeURI(name)})`,
  );
  const data = [...datasets, ...run.files.map(code)].join(', ');
  const {held_out: heldOut} = run;
  return `Fine-tuned with \`ztt finetune\`:\n\n${factTable([
    ['data', data],
    [
      'steps',
      `${whole(run.steps)} of ${run.batch_size} x ${run.accumulate} sequences of ${whole(run.seq_len)} tokens`,
    ],
    [
      'trained',
      `${code(run.train)}, learning rate ${digits(run.lr)}, ${plain(run.lr_schedule)}; seed ${run.seed}`,
    ],
    ...(run.flops === null ? [] : [['training FLOPs', numeral(run.flops)] as const]),
    ...(run.loss === null ? [] : [['loss of the last step', `${digits(run.loss)} nats a token`] as const]),
    ...(heldOut
      ? [
          [
            'held-out loss, full depth',
            `${heldOut.before === null ? '' : `${digits(heldOut.before)} before, `}${digits(heldOut.after)} nats a token at the end`,
          ] as const,
        ]
      : []),
  ])}`;
}

function use({repo, hasCode, model}: CardFacts): string {
  const exits = model.zeroInit !== null;
  const python = [
    'In Python:',
    '```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n' +
      `tokenizer = AutoTokenizer.from_pretrained("${repo}", trust_remote_code=True)\n` +
      `model = AutoModelForCausalLM.from_pretrained("${repo}", trust_remote_code=True)\n` +
      'inputs = tokenizer("It was a dark and stormy night", return_tensors="pt")\n' +
      'print(tokenizer.decode(model.generate(**inputs, max_new_tokens=20)[0]))\n```',
  ];
  const shell = [
    `ztt info ${repo}`,
    `ztt generate ${repo} --prompt "It was a dark and stormy night"${exits ? ' --threshold 0.5 --show-depth' : ''}`,
    `ztt eval ${repo} --tasks lambada_openai${exits ? ' --threshold 0.2,0.5,1' : ''}`,
    `ztt finetune ${repo} --output run --data FILE`,
  ];
  return ['## Use', ...(hasCode ? python : []), 'With `ztt`:', `\`\`\`sh\n${shell.join('\n')}\n\`\`\``].join(
    '\n\n',
  );
}

function limits({model, run, results}: CardFacts): string {
  const exits = model.zeroInit !== null;
  const partly = results?.tasks.some(({rows, of}) => rows < of) ?? false;
  const lines = [
    'It has the biases and the gaps of its source, and of the text that it was trained on.',
    ...(run || model.cycles === 1 ? [] : ['Cycled without fine-tuning, it is worse than its source.']),
    ...(exits
      ? [
          'Zero attention falls with the length of the context, so a threshold holds for text like that it was chosen on; `ztt calibrate` chooses one for yours.',
        ]
      : []),
    ...(results ? [] : ['No results were kept with it: measure it before you use it.']),
    ...(partly ? ['Results are of a part of each task, as the table says.'] : []),
  ];
  return ['## Limits', lines.map((line) => `- ${line}`).join('\n')].join('\n\n');
}

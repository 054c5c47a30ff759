import {z} from 'zod';
import {parseWith} from '../../files/index.js';
import {capitalise, cleanHellaswag, detokenise} from './clean-text.js';
import {strip, stripLeft} from '../kinds/python-text.js';
import {choices, contexts, document, lastWord, type Questions, type TaskKind} from '../kinds/questions.js';
import type {TaskName} from '../options.js';

/** A dataset repo of the Hub, and which of its rows are used. */
export interface TaskDataset {
  repo: string;
  config?: string;
  /** The split that is evaluated. */
  split: string;
  /** A split that thresholds may be chosen on; without one, half of the evaluated rows serve. */
  calibration?: string;
}

/** What a task is: where its rows come from, how a row becomes a question, and what is measured. */
export interface TaskDefinition<Kind extends TaskKind = TaskKind> {
  kind: Kind;
  version: number;
  /** Those of the kind's metrics that the harness gives. */
  metrics: readonly string[];
  /** The harness's templates, for the results' `configs`. */
  templates: {doc_to_text: string; doc_to_target: string; doc_to_choice?: string};
  /** A row as a question. @throws FormatError naming the place of a row that does not fit */
  question: (row: unknown, place: string) => Questions[Kind];
}

/** A task of the harness. */
export type NamedTask = {
  [Kind in TaskKind]: TaskDefinition<Kind> & {dataset: TaskDataset};
}[TaskKind];

/** Text that UTF-8 can hold: JSON can escape halves of characters, which no tokenizer can read. */
const text = z.string().refine((value) => !/\p{Surrogate}/u.test(value), 'half a surrogate pair');
const texts = z.array(text).min(1, 'a question needs at least one choice');
/** A label, as a number or in digits. */
const label = (min: number, max: number) =>
  z
    .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
    .pipe(z.number().int(`it must be a whole number`).min(min).max(max));

/** A row's question, by the schema of its columns. */
const by =
  <Schema extends z.ZodType, Question>(schema: Schema, question: (row: z.output<Schema>) => Question) =>
  (row: unknown, place: string): Question =>
    question(parseWith(schema, row, place));

const ACC = ['acc'];
const ACC_NORM = ['acc', 'acc_norm'];
const WORD = ['perplexity', 'acc'];
const PAGE = ['word_perplexity', 'byte_perplexity', 'bits_per_byte'];

/** Rows of files that users bring, by the column that marks them. */
export const FILE_TASKS: {
  readonly query: TaskDefinition<'multiple-choice'>;
  readonly text: TaskDefinition<'last-word'>;
  readonly page: TaskDefinition<'rolling'>;
} = {
  query: {
    kind: 'multiple-choice',
    version: 1,
    metrics: ACC_NORM,
    templates: {doc_to_text: 'query', doc_to_target: 'gold', doc_to_choice: 'choices'},
    question: by(
      z
        .object({
          query: text,
          choices: texts,
          gold: z.number().int('gold is the index of the right choice').min(0, 'gold counts from 0'),
        })
        .superRefine(({choices: {length}, gold}, context) => {
          if (gold < length) return;
          const message = `there is no choice ${gold}; gold must be from 0 to ${length - 1}`;
          context.addIssue({code: 'custom', path: ['gold'], message});
        }),
      ({query, choices: all, gold}) => choices(query, all, gold),
    ),
  },
  text: {
    kind: 'last-word',
    version: 1,
    metrics: WORD,
    templates: {
      doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}",
      doc_to_target: "{{' '+text.split(' ')[-1]}}",
    },
    question: by(z.object({text}), (row) => lastWord(row.text)),
  },
  page: {
    kind: 'rolling',
    version: 1,
    metrics: PAGE,
    templates: {doc_to_text: '', doc_to_target: 'page'},
    question: by(z.object({page: text}), ({page}) => document(page)),
  },
};

/** Choices with letters or numbers, and the right one's, as in ARC and OpenBookQA. */
const lettered = z
  .object({choices: z.object({text: texts, label: z.array(z.string())}), answerKey: z.string()})
  .superRefine(({choices: {text: all, label: labels}, answerKey}, context) => {
    if (labels.length === all.length && labels.includes(stripLeft(answerKey))) return;
    const message = `answerKey is ${JSON.stringify(answerKey)}, and the labels of ${all.length} choices are ${labels.join(', ')}`;
    context.addIssue({code: 'custom', path: ['answerKey'], message});
  });

const goldOf = ({choices: {label: labels}, answerKey}: z.output<typeof lettered>): number =>
  labels.indexOf(stripLeft(answerKey));

const arc = (config: string): NamedTask => ({
  kind: 'multiple-choice',
  version: 1,
  dataset: {repo: 'allenai/ai2_arc', config, split: 'test', calibration: 'validation'},
  metrics: ACC_NORM,
  templates: {
    doc_to_text: 'Question: {{question}}\nAnswer:',
    doc_to_target: '{{choices.label.index(answerKey)}}',
    doc_to_choice: '{{choices.text}}',
  },
  question: by(lettered.and(z.object({question: text})), (row) =>
    choices(`Question: ${row.question}\nAnswer:`, row.choices.text, goldOf(row)),
  ),
});

const lambada = (dataset: TaskDataset): NamedTask => ({...FILE_TASKS.text, dataset});

/** The tasks of lm-evaluation-harness 0.4.13 that ztt has, by their names there. */
export const TASKS: Readonly<Record<TaskName, NamedTask>> = {
  lambada_openai: lambada({repo: 'EleutherAI/lambada_openai', config: 'default', split: 'test'}),
  lambada_standard: lambada({repo: 'cimec/lambada', split: 'test', calibration: 'validation'}),
  piqa: {
    kind: 'multiple-choice',
    version: 1,
    dataset: {repo: 'baber/piqa', split: 'validation', calibration: 'train'},
    metrics: ACC_NORM,
    templates: {
      doc_to_text: 'Question: {{goal}}\nAnswer:',
      doc_to_target: 'label',
      doc_to_choice: '{{[sol1, sol2]}}',
    },
    question: by(z.object({goal: text, sol1: text, sol2: text, label: label(0, 1)}), (row) =>
      choices(`Question: ${row.goal}\nAnswer:`, [row.sol1, row.sol2], row.label),
    ),
  },
  arc_easy: arc('ARC-Easy'),
  arc_challenge: arc('ARC-Challenge'),
  hellaswag: {
    kind: 'multiple-choice',
    version: 1,
    dataset: {repo: 'Rowan/hellaswag', split: 'validation', calibration: 'train'},
    metrics: ACC_NORM,
    templates: {doc_to_text: '{{query}}', doc_to_target: '{{label}}', doc_to_choice: 'choices'},
    question: by(
      z
        .object({activity_label: text, ctx_a: text, ctx_b: text, endings: texts, label: label(0, 99)})
        .refine(({endings, label: gold}) => gold < endings.length, 'label names no ending'),
      ({activity_label: activity, ctx_a: a, ctx_b: b, endings, label: gold}) =>
        choices(cleanHellaswag(`${activity}: ${a} ${capitalise(b)}`), endings.map(cleanHellaswag), gold),
    ),
  },
  winogrande: {
    kind: 'multiple-choice',
    version: 1,
    dataset: {repo: 'allenai/winogrande', config: 'winogrande_xl', split: 'validation', calibration: 'train'},
    metrics: ACC,
    templates: {
      doc_to_text: 'position of answer in ["1", "2"]',
      doc_to_target: 'sentence after "_", stripped',
      doc_to_choice: 'sentence before "_" + each option',
    },
    question: by(
      z.object({
        sentence: text.refine((value) => value.includes('_'), 'a sentence has a _ for the option'),
        option1: text,
        option2: text,
        answer: label(1, 2),
      }),
      ({sentence, option1, option2, answer}) => {
        const blank = sentence.indexOf('_');
        const before = sentence.slice(0, blank);
        return contexts([before + option1, before + option2], strip(sentence.slice(blank + 1)), answer - 1);
      },
    ),
  },
  sciq: {
    kind: 'multiple-choice',
    version: 1,
    dataset: {repo: 'allenai/sciq', split: 'test', calibration: 'validation'},
    metrics: ACC_NORM,
    templates: {
      doc_to_text: '{{support.lstrip()}}\nQuestion: {{question}}\nAnswer:',
      doc_to_target: '3',
      doc_to_choice: '{{[distractor1, distractor2, distractor3, correct_answer]}}',
    },
    question: by(
      z.object({
        support: text,
        question: text,
        distractor1: text,
        distractor2: text,
        distractor3: text,
        correct_answer: text,
      }),
      (row) =>
        choices(
          `${stripLeft(row.support)}\nQuestion: ${row.question}\nAnswer:`,
          [row.distractor1, row.distractor2, row.distractor3, row.correct_answer],
          3,
        ),
    ),
  },
  openbookqa: {
    kind: 'multiple-choice',
    version: 1,
    dataset: {repo: 'allenai/openbookqa', config: 'main', split: 'test', calibration: 'validation'},
    metrics: ACC_NORM,
    templates: {
      doc_to_text: 'question_stem',
      doc_to_target: '{{choices.label.index(answerKey.lstrip())}}',
      doc_to_choice: '{{choices.text}}',
    },
    question: by(lettered.and(z.object({question_stem: text})), (row) =>
      choices(row.question_stem, row.choices.text, goldOf(row)),
    ),
  },
  boolq: {
    kind: 'multiple-choice',
    version: 2,
    dataset: {repo: 'aps/super_glue', config: 'boolq', split: 'validation', calibration: 'train'},
    metrics: ACC,
    templates: {
      doc_to_text: '{{passage}}\nQuestion: {{question}}?\nAnswer:',
      doc_to_target: 'label',
      doc_to_choice: '["no", "yes"]',
    },
    question: by(z.object({passage: text, question: text, label: label(0, 1)}), (row) =>
      choices(`${row.passage}\nQuestion: ${row.question}?\nAnswer:`, ['no', 'yes'], row.label),
    ),
  },
  wikitext: {
    kind: 'rolling',
    version: 2,
    dataset: {
      repo: 'EleutherAI/wikitext_document_level',
      config: 'wikitext-2-raw-v1',
      split: 'test',
      calibration: 'validation',
    },
    metrics: PAGE,
    templates: {doc_to_text: '', doc_to_target: 'detokenised page'},
    question: by(z.object({page: text}), ({page}) => document(page, detokenise(page))),
  },
};

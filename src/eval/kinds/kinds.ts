import type {Kind} from './kind.js';
import {LAST_WORD} from './last-word.js';
import {MULTIPLE_CHOICE} from './multiple-choice.js';
import type {Questions, TaskKind} from './questions.js';
import {ROLLING} from './rolling.js';

/** The kinds of tasks by their names. */
const KINDS: {readonly [Name in TaskKind]: Kind<Questions[Name]>} = {
  'multiple-choice': MULTIPLE_CHOICE,
  'last-word': LAST_WORD,
  rolling: ROLLING,
};

/** The kind of a task, which takes the questions of that task and of no other kind. */
export const kindOf = ({kind}: {kind: TaskKind}): Kind<Questions[TaskKind]> => KINDS[kind];

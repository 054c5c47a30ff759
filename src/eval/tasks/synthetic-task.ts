import {openSynthetic, type Split} from '../../synthetic/index.js';
import {FILE_TASKS} from './task-table.js';
import type {ChoiceTask} from './task.js';

/**
 * A synthetic task as multiple choice among all its answers, with accuracy alone: the answers are equally long. So a
 * guess is right as often as there are answers, also of a model that would rather go on with something else.
 * @param spec - `synthetic:NAME?key=value&…`, which is also its name in results
 * @param limit - questions to keep, from the first; all of `rows` unless given
 * @param split - the questions that are meant where the spec names no split
 * @throws UsageError for a spec that cannot be
 */
export function syntheticTask(spec: string, limit = Infinity, split = 'test'): ChoiceTask {
  const task = openSynthetic(spec, split);
  const definition = {...FILE_TASKS.query, version: task.version, metrics: ['acc']};
  const rows: ChoiceTask['rows'] = [];
  for (const {prompt, answer} of task.questions()) {
    if (rows.length === limit) break;
    const doc = {query: prompt, choices: task.answers, gold: answer};
    const place = `${spec}, question ${rows.length + 1}`;
    rows.push({question: definition.question(doc, place), doc, place});
  }
  const values = Object.entries({...task.parameters, seed: task.seed, rows: task.rows});
  const config = values.map(([key, value]) => `${key}=${value}`).join('&');
  const dataset = {path: `synthetic:${task.name}`, config, split: task.split, files: []};
  return {kind: 'multiple-choice', name: spec, definition, dataset, rows, original: task.rows};
}

/** The split that thresholds for a synthetic task are chosen on; none where the spec names the split itself. */
export const syntheticCalibration = (spec: string): Split | undefined =>
  openSynthetic(spec, 'test').split === openSynthetic(spec, 'validation').split ? undefined : 'validation';

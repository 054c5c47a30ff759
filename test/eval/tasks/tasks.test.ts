import {mkdir, writeFile} from 'node:fs/promises';
import {describe, expect, it} from 'vitest';
import {openTask} from '../../../src/eval/index.js';
import {FileError, FormatError, UsageError} from '../../../src/errors.js';
import {sharedTempFolder} from '../../helpers/temp.js';

const temp = sharedTempFolder();

let files = 0;
async function file(content: string | Uint8Array): Promise<string> {
  const path = temp.path(`task-${files++}.jsonl`);
  await writeFile(path, content);
  return path;
}

const question = '{"query": "q", "choices": ["a", "b"], "gold": 1}';

describe('a task file', () => {
  it('is known by its first row and named by its stem', async () => {
    const path = temp.path('some.words.jsonl');
    await writeFile(path, '{"text": "one two", "domain": "x"}\r\n\n  \n{"text": "three"}');
    expect(await openTask(path)).toMatchObject({
      kind: 'last-word',
      name: 'some.words',
      dataset: {path: 'json', split: 'test', files: [path]},
      rows: [
        {
          question: {pair: {context: 'one', continuation: ' two'}},
          doc: {text: 'one two', domain: 'x'},
          place: `${path}, line 1`,
        },
        {question: {pair: {context: '', continuation: ' three'}}, place: `${path}, line 4`},
      ],
      original: 2,
    });
    expect((await openTask(await file(question))).kind).toBe('multiple-choice');
    expect((await openTask(await file('{"page": "p"}'))).kind).toBe('rolling');
  });

  it('gives its first rows under a limit, and is checked to its end', async () => {
    const path = await file(`${question}\n`.repeat(5));
    const task = await openTask(path, {limit: 2});
    expect([task.rows.length, task.original]).toEqual([2, 5]);
    expect((await openTask(path, {limit: 9})).rows).toHaveLength(5);
    await expect(openTask(await file(`${question}\n{"query": 1}`), {limit: 1})).rejects.toThrow(/line 2/);
  });

  const bad: [string, string | Uint8Array, RegExp][] = [
    ['is empty', '', /has no rows/],
    ['holds blank lines', '\n \n', /has no rows/],
    ['is no JSON', `${question}\n{"query": `, /line 2 is no valid JSON/],
    [
      'is no UTF-8',
      Buffer.from([...Buffer.from(`${question}\n{"text": "`), 0xff, 0x22, 0x7d]),
      /line 2: this is no valid UTF-8/,
    ],
    ['has a value that is no object', '[1]', /line 1/],
    ['has a row of no kind', '{"question": "q"}', /line 1: a row has one of "query".*none/],
    ['has a row of two kinds', '{"text": "t", "page": "p"}', /text and page/],
    ['mixes kinds', `${question}\n{"text": "t"}`, /line 2: a last-word row in a multiple-choice task/],
    [
      'has no choices',
      '{"query": "q", "choices": [], "gold": 0}',
      /line 1 at choices: .*at least one choice/,
    ],
    ['lacks choices', '{"query": "q", "gold": 0}', /line 1 at choices/],
    ['has a choice that is no string', '{"query": "q", "choices": [1], "gold": 0}', /choices\.0/],
    ['lacks gold', '{"query": "q", "choices": ["a"]}', /at gold/],
    [
      'has gold too high',
      '{"query": "q", "choices": ["a", "b"], "gold": 2}',
      /at gold: there is no choice 2; .*0 to 1/,
    ],
    ['has gold below 0', '{"query": "q", "choices": ["a"], "gold": -1}', /at gold/],
    ['has half a gold', '{"query": "q", "choices": ["a"], "gold": 0.5}', /at gold/],
    ['has half a character', '{"text": "\\ud83d"}', /line 1 at text: half a surrogate pair/],
    ['has text that is none', '{"text": null}', /at text/],
    ['has empty pages only', '{"page": ""}\n{"page": ""}', /nothing to predict/],
  ];
  it.each(bad)('that %s is refused by file and line', async (_, content, message) => {
    const path = await file(content);
    const error: unknown = await openTask(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(path);
  });
});

describe('what is no task file', () => {
  it('a name that is no path says what a task may be', async () => {
    const error: unknown = await openTask('lambada').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(
      /no task lambada: .* lambada_openai, .*wikitext.*"query".*"text".*"page"/,
    );
  });

  it('a folder, an odd limit, a name too long', async () => {
    await mkdir(temp.path('folder'));
    await expect(openTask(temp.path('folder'))).rejects.toThrow(UsageError);
    const path = await file(question);
    for (const limit of [0, -1, 1.5, NaN]) await expect(openTask(path, {limit})).rejects.toThrow(UsageError);
    await expect(openTask(temp.path('x'.repeat(300)))).rejects.toThrow(FileError);
  });
});

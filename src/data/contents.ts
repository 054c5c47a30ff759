import {createHash} from 'node:crypto';
import {DiskFile, reuseChunk} from '../checkpoint/index.js';
import type {SyntheticTask} from '../synthetic/index.js';
import type {DataFile, Part} from './parts.js';
import {cutPieces, readPieces, type Cutter} from './pieces.js';
import {COMPLETION, PROMPT, rowParts} from './rows.js';

/** What is tokenised as one: files, one after another, or the questions of a synthetic task. */
export type Content = readonly DataFile[] | SyntheticTask;

/** A content, ready to be read. */
export interface OpenedContent {
  /** Of text, as far as it is known before it is read. */
  bytes: number;
  /** Whether documents are told apart by a separator. */
  separated: boolean;
  /** What tells the content from any other, whatever it is called. @param onRead - called with bytes that were read */
  identity(onRead: (bytes: number) => void): Promise<unknown>;
  /** Its documents, as `readPieces` cuts them. @param onRead - called with bytes that were read */
  pieces(cutter: Cutter, onRead: (bytes: number) => void): AsyncGenerator<Part>;
}

/** @throws FileError for a file that cannot be read; UsageError for a synthetic task that has no questions */
export const openContent = (content: Content): Promise<OpenedContent> =>
  'questions' in content ? Promise.resolve(openQuestions(content)) : openFiles(content);

async function openFiles(files: readonly DataFile[]): Promise<OpenedContent> {
  const sizes = await Promise.all(files.map(({path}) => sizeOf(path)));
  return {
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    separated: true,
    async identity(onRead) {
      const contents: string[] = [];
      for (const {path} of files) contents.push(await sha256Of(path, onRead));
      return files.map(({path, column}, i) => [contents[i], kindOf(path), column ?? null]);
    },
    async *pieces(cutter, onRead) {
      for (const file of files) yield* readPieces({...file, onRead}, cutter);
    },
  };
}

/**
 * A question is a prompt, which is not trained on, and its answer. Nothing stands between questions: all are equally
 * long, so that sequences of that length hold one each, at the places where it stands when it is asked.
 */
function openQuestions(task: SyntheticTask): OpenedContent {
  const {name, version, parameters, seed, rows, split} = task;
  const [first] = questionParts(task);
  return {
    bytes: rows * first!.bytes,
    separated: false,
    identity: () => Promise.resolve(['synthetic', name, version, parameters, seed, rows, split]),
    pieces: (cutter, onRead) => cutPieces(partsOf(task, onRead), cutter),
  };
}

function* partsOf(task: SyntheticTask, onRead: (bytes: number) => void): Generator<Part> {
  for (const {parts, bytes} of questionParts(task)) {
    onRead(bytes);
    yield* parts;
  }
}

function* questionParts(task: SyntheticTask): Generator<{parts: Part[]; bytes: number}> {
  let number = 0;
  for (const {prompt, answer} of task.questions()) {
    const texts = [prompt, ` ${task.answers[answer]}`];
    const place = `${task.spec}, question ${++number}`;
    yield {parts: rowParts([PROMPT, COMPLETION], texts, place), bytes: texts.join('').length};
  }
}

/** What decides how a file is read, of its name. */
const kindOf = (path: string): string => /(\.\w+)?(\.gz)?$/i.exec(path)![0].toLowerCase();

async function sizeOf(path: string): Promise<number> {
  const file = await DiskFile.open(path);
  await file.close();
  return file.size;
}

async function sha256Of(path: string, onRead: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const file = await DiskFile.open(path);
  try {
    for await (const chunk of file.chunks(0, file.size)) {
      hash.update(chunk);
      onRead(chunk.length);
      reuseChunk(chunk);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

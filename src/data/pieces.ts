import {FormatError} from '../errors.js';
import {readDocuments} from './documents.js';
import type {DataFile, Part} from './parts.js';

/** Where a tokenizer lets texts be cut; a `Tokenizer` says so. */
export interface Cutter {
  /** Whether a text can be cut before every space and new line that follows what is no white space. */
  readonly wordsApart: boolean;
  /** A place within a word, at or after another; null where there is none. */
  cutWithinWord(text: string, from: number): number | null;
}

/** Characters of a piece, about. */
const PIECE = 1 << 16;

/** Characters without a blank, at most: no language has such words. */
const MAX_WORD = 1 << 20;

/** Characters of a document, at most, for a tokenizer that cannot encode it in pieces. */
const MAX_WHOLE = 1 << 24;

/**
 * A file's documents in pieces that can be encoded by themselves, to the very ids of the whole: cut between words where
 * the tokenizer takes words apart, else a document each. A completion is apart from its prompt: whoever generates it has
 * only the prompt's ids before. Empty ones are left out, with documents that have no other.
 * @throws FormatError for a word, or a document that cannot be cut, that memory may not hold; and as `readDocuments`
 */
export function readPieces(file: DataFile, cutter: Cutter): AsyncGenerator<Part> {
  return cutPieces(readDocuments(file), cutter);
}

/** The pieces of documents that come in parts; see `readPieces`. @throws FormatError */
export async function* cutPieces(
  parts: AsyncIterable<Part> | Iterable<Part>,
  cutter: Cutter,
): AsyncGenerator<Part> {
  const {wordsApart} = cutter;
  /** What may still be a part of a longer word. */
  let pending: Part = {text: '', begins: false, trained: true, place: ''};
  for await (const part of parts) {
    if (pending.text !== '' && (part.begins || part.trained !== pending.trained)) {
      yield pending;
      pending = {...pending, text: '', begins: false};
    }
    const searched = pending.text.length;
    // A document whose first part is empty begins with its next.
    const begins = part.begins || pending.begins;
    pending = {...part, begins, text: pending.text + part.text};
    for (const text of wordsApart ? wholeWords(pending.text, searched) : []) {
      yield {...pending, text};
      pending = {...pending, begins: false, text: pending.text.slice(text.length)};
    }
    for (const text of wordsApart ? withinWords(pending.text, cutter) : []) {
      yield {...pending, text};
      pending = {...pending, begins: false, text: pending.text.slice(text.length)};
    }
    requireBounded(pending, wordsApart);
  }
  if (pending.text !== '') yield pending;
}

/** A text's pieces of some tens of kB, up to the last place where a word ends; there is none before `from`. */
function* wholeWords(text: string, from: number): Generator<string> {
  const wordEnd = /(?<=[^\s\x85])[ \n]/g;
  let start = 0;
  while (text.length - start > PIECE) {
    wordEnd.lastIndex = Math.max(start + PIECE, from);
    const end = wordEnd.exec(text)?.index;
    if (end === undefined) break;
    yield text.slice(start, end);
    start = end;
  }
  const last = lastWordEnd(text, Math.max(start + 1, from));
  if (last !== null) yield text.slice(start, last);
}

/** Of a text without places where a word ends that is too long to wait for one: its pieces up to places within words. */
function* withinWords(text: string, cutter: Cutter): Generator<string> {
  let start = 0;
  while (text.length - start > MAX_WORD) {
    const end = cutter.cutWithinWord(text, start + PIECE);
    if (end === null) return;
    yield text.slice(start, end);
    start = end;
  }
}

const WHITE = /[\s\x85]/;

/** The last place from `from` on, which is above 0, where a word ends. */
function lastWordEnd(text: string, from: number): number | null {
  for (let i = text.length - 1; i >= from; i--) {
    if ((text[i] === ' ' || text[i] === '\n') && !WHITE.test(text[i - 1]!)) return i;
  }
  return null;
}

function requireBounded({text, place}: Part, wordsApart: boolean): void {
  if (wordsApart && text.length > MAX_WORD) {
    throw new FormatError(
      `${place}: more than ${MAX_WORD} characters without a blank; is this text? Put blanks or line ends into it.`,
    );
  }
  if (!wordsApart && text.length > MAX_WHOLE) {
    throw new FormatError(
      `${place}: the document has more than ${MAX_WHOLE} characters, which this tokenizer must encode as a whole; split it into several, as rows of a .jsonl file.`,
    );
  }
}

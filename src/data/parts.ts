/**
 * A stretch of a document's text. Documents come in parts, so that one that memory does not hold can be read, and so
 * that a prompt can be told from its completion.
 */
export interface Part {
  text: string;
  /** Whether the part begins a document. */
  begins: boolean;
  /** Whether predicting its tokens counts in the loss; a prompt's do not. */
  trained: boolean;
  /** Where it begins, for messages: `FILE, line 3`. */
  place: string;
}

/** A file of documents. */
export interface DataFile {
  path: string;
  /** The column of its rows that holds the text; `text`, or `prompt` and `completion`, unless given. */
  column?: string;
  /** Called with the bytes read since it was last called. What it throws ends the reading. */
  onRead?: (bytes: number) => void;
}

/** A document of one text. */
export const whole = (text: string, place: string): Part[] => [{text, begins: true, trained: true, place}];

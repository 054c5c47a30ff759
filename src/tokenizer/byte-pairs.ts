import {BYTE_CHARACTERS} from './alphabet.js';
import type {BytePairs} from './vocabulary.js';

/** Above every id: two of them in one number tell a pair. */
const PAIR = 2 ** 20;

/** Joins the bytes of a word to tokens: of all neighbours that a merge names, the most urgent first, from the left. */
export class BytePairEncoder {
  /** The id of each byte. */
  private readonly bytes: Uint32Array;
  /** By pair of ids: how urgent the merge is (the less the more), and what it makes. */
  private readonly merges = new Map<number, {rank: number; id: number}>();
  private readonly utf8 = new TextEncoder();

  private constructor(bytes: readonly number[], {vocabulary, merges}: BytePairs) {
    this.bytes = Uint32Array.from(bytes);
    for (const [rank, [left, right]] of merges.entries()) {
      const [first, second, id] = [left, right, left + right].map((token) => vocabulary.get(token)!);
      this.merges.set(first! * PAIR + second!, {rank, id: id!});
    }
  }

  /** Null for a vocabulary that lacks a byte. */
  static of(pairs: BytePairs): BytePairEncoder | null {
    const bytes = BYTE_CHARACTERS.map((character) => pairs.vocabulary.get(character));
    return bytes.every((id) => id !== undefined) ? new BytePairEncoder(bytes, pairs) : null;
  }

  /** The ids of a word. Its time grows with the square of the length. */
  encode(word: string): number[] {
    const ids = Array.from(this.utf8.encode(word), (byte) => this.bytes[byte]!);
    while (ids.length > 1) {
      let best: {rank: number; id: number} | undefined;
      let place = 0;
      for (let i = 1; i < ids.length; i++) {
        const merge = this.merges.get(ids[i - 1]! * PAIR + ids[i]!);
        if (merge && (!best || merge.rank < best.rank)) {
          best = merge;
          place = i;
        }
      }
      if (!best) break;
      ids[place - 1] = best.id;
      ids.splice(place, 1);
    }
    return ids;
  }
}

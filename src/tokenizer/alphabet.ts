/** The bytes that stand for themselves, as ranges: what Latin-1 prints, without the space. */
const PRINTED = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
] as const;

/**
 * GPT-2's byte-level alphabet: a printable character for each byte, so that a vocabulary of byte strings can be
 * written as text. A byte that prints is its Latin-1 character; the others are U+0100 and on, in their order.
 */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let others = 0;
  return Array.from({length: 256}, (_, byte) => {
    const prints = PRINTED.some(([first, last]) => byte >= first && byte <= last);
    return String.fromCharCode(prints ? byte : 0x100 + others++);
  });
})();

const BYTES: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/** The bytes that a token stands for. One that is not of the alphabet throughout, as `[ É ]`, stands for itself. */
export function tokenBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTES.get(token[i]!);
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes[i] = byte;
  }
  return bytes;
}

/** Whether a vocabulary has a token for every byte. */
export const isWholeAlphabet = (vocabulary: ReadonlyMap<string, number>): boolean =>
  [...BYTES.keys()].every((byte) => vocabulary.has(byte));

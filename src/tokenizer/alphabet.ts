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
const BYTES: ReadonlyMap<string, number> = (() => {
  const bytes = new Map<string, number>();
  let others = 0;
  for (let byte = 0; byte < 256; byte++) {
    const prints = PRINTED.some(([first, last]) => byte >= first && byte <= last);
    bytes.set(String.fromCharCode(prints ? byte : 0x100 + others++), byte);
  }
  return bytes;
})();

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

import {createHash} from 'node:crypto';
import {hasAddon, requireAddon} from '../../addon.js';

/** A sha256 of bytes that come one after the other. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** In hex; for once. */
  digest(): string;
}

/** Of the addon: adds blocks of 64 bytes to two states of eight words; see native/src/bind_hash.cc. */
type CompressPair = (
  state: Int32Array,
  blocks: Uint8Array,
  other: Int32Array,
  otherBlocks: Uint8Array,
) => void;

/** The addon's functions for hashes. */
export const HASHES = {
  hasSha256: [],
  sha256Pair: ['state', 'blocks', 'otherState', 'otherBlocks'],
} as const;

/** Their types. */
export interface HashAddon {
  /** Whether the CPU has instructions for sha256. */
  hasSha256(): boolean;
  sha256Pair: CompressPair;
}

let found: CompressPair | null | undefined;

/** Null where the addon is not built, or the CPU has no instructions for sha256. */
function compressPair(): CompressPair | null {
  if (found !== undefined) return found;
  found = null;
  try {
    const addon = hasAddon() ? (requireAddon(HASHES) as HashAddon) : null;
    if (addon?.hasSha256()) found = addon.sha256Pair;
  } catch {
    // One that does not load is as good as none; who asks for the native engine is told why.
  }
  return found;
}

/** Whether `updatePair` takes as long as one hash would, and not as two. */
export const hashesInPairs = (): boolean => compressPair() !== null;

/** Begins a sha256: the addon's where it hashes in pairs, else Node's. */
export function beginSha256(): Sha256 {
  const compress = compressPair();
  if (compress) return new BlockSha256(compress);
  const hash = createHash('sha256');
  return {update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex')};
}

/** Adds bytes to one hash, and bytes to another. */
export function updatePair(one: Sha256, bytes: Uint8Array, other: Sha256, otherBytes: Uint8Array): void {
  if (one instanceof BlockSha256 && other instanceof BlockSha256) {
    BlockSha256.updatePair(one, bytes, other, otherBytes);
  } else {
    one.update(bytes);
    other.update(otherBytes);
  }
}

const BLOCK_BYTES = 64;
const NONE = new Uint8Array(0);

/** SHA-256 (FIPS 180-4) but for its compression function: whole blocks, padding, length. */
class BlockSha256 implements Sha256 {
  /** The first 32 bits of the fractional parts of the square roots of the first eight primes (5.3.3). */
  private readonly state = Int32Array.of(
    ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
  );
  /** The beginning of a block, whose rest has not come. */
  private readonly partial = new Uint8Array(BLOCK_BYTES);
  private length = 0;

  constructor(private readonly compress: CompressPair) {}

  update(bytes: Uint8Array): void {
    this.compressAlone(this.wholeBlocks(bytes));
  }

  static updatePair(one: BlockSha256, bytes: Uint8Array, other: BlockSha256, otherBytes: Uint8Array): void {
    one.compress(one.state, one.wholeBlocks(bytes), other.state, other.wholeBlocks(otherBytes));
  }

  digest(): string {
    const bits = BigInt(this.length) * 8n;
    // A one, zeros up to eight bytes before a block's end, and the length in bits (5.1.1).
    const padding = Buffer.alloc(BLOCK_BYTES + 8 - ((this.length + 8) % BLOCK_BYTES));
    padding[0] = 0x80;
    padding.writeBigUInt64BE(bits, padding.byteLength - 8);
    this.update(padding);
    const digest = Buffer.alloc(32);
    for (const [i, word] of this.state.entries()) digest.writeInt32BE(word, 4 * i);
    return digest.toString('hex');
  }

  /** Takes bytes: compresses the block that they complete, keeps what is left over, and returns what lies between. */
  private wholeBlocks(bytes: Uint8Array): Uint8Array {
    const begun = this.length % BLOCK_BYTES;
    this.length += bytes.byteLength;
    const completing = begun === 0 ? 0 : Math.min(BLOCK_BYTES - begun, bytes.byteLength);
    this.partial.set(bytes.subarray(0, completing), begun);
    if (begun > 0 && begun + completing === BLOCK_BYTES) this.compressAlone(this.partial);
    const end = bytes.byteLength - ((bytes.byteLength - completing) % BLOCK_BYTES);
    this.partial.set(bytes.subarray(end));
    return bytes.subarray(completing, end);
  }

  private compressAlone(blocks: Uint8Array): void {
    this.compress(this.state, blocks, new Int32Array(8), NONE);
  }
}

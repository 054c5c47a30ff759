import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import {requireRange, type ByteFile} from '../bytes/byte-file.js';

/** A stored file of a zip archive. */
export interface ZipEntry {
  name: string;
  /** Bytes of its content, which is stored as it is. */
  size: number;
  /** Where its local header begins. */
  header: number;
  /** Where the next entry, or the directory, begins: its content ends before. */
  limit: number;
}

const END = {signature: 0x06054b50, bytes: 22, maxComment: 0xffff};
const END64_LOCATOR = {signature: 0x07064b50, bytes: 20};
const END64 = {signature: 0x06064b50, bytes: 56};
const DIRECTORY_ENTRY = {signature: 0x02014b50, bytes: 46};
const LOCAL_HEADER = {signature: 0x04034b50, bytes: 30};
/** The extra field of a directory entry that holds what 32 bits cannot. */
const ZIP64_FIELD = 1;
const SATURATED_16 = 0xffff;
const SATURATED_32 = 0xffffffff;
const STORED = 0;
/** Bits of an entry's flags: encrypted, and encrypted in its directory too. */
const ENCRYPTED = 0x1 | 0x40 | 0x2000;

/** The largest directory that is read: one of 100,000 entries. */
const MAX_DIRECTORY_BYTES = 16 << 20;

/**
 * Reads a zip archive's directory, from the end of the file and by ranges (the format's APPNOTE 6.3, with zip64),
 * and checks that no two entries share a name or a byte.
 * @throws UnsupportedError for entries that are compressed or encrypted, FormatError for a broken archive
 */
export async function readZipDirectory(file: ByteFile): Promise<ReadonlyMap<string, ZipEntry>> {
  // One read takes the end records, and nearly always the directory before them.
  const tailBytes = Math.min(file.size, END.maxComment + END.bytes + END64.bytes + END64_LOCATOR.bytes);
  const tail = await file.read(file.size - tailBytes, tailBytes);
  const {count, bytes, start} = await findDirectory(file, tail);
  const inTail = start - (file.size - tailBytes);
  const directory = inTail >= 0 ? tail.subarray(inTail, inTail + bytes) : await file.read(start, bytes);
  const entries = parseDirectory(directory, count, file.path);
  return checkPlaces(entries, start, file.path);
}

/**
 * Where an entry's content begins, as its local header says; the header must name the same file.
 * @throws FormatError where they do not agree, or the content goes past its place
 */
export async function contentStart(file: ByteFile, entry: ZipEntry): Promise<number> {
  const name = Buffer.from(entry.name);
  const header = await file.read(entry.header, LOCAL_HEADER.bytes + name.length);
  const nameBytes = header.readUInt16LE(26);
  const extraBytes = header.readUInt16LE(28);
  const start = entry.header + LOCAL_HEADER.bytes + nameBytes + extraBytes;
  const same =
    header.readUInt32LE(0) === LOCAL_HEADER.signature &&
    (header.readUInt16LE(6) & ENCRYPTED) === 0 &&
    header.readUInt16LE(8) === STORED &&
    nameBytes === name.length &&
    header.subarray(LOCAL_HEADER.bytes).equals(name);
  if (!same || start + entry.size > entry.limit) {
    throw new FormatError(
      `${file.path}: the entry ${quoted(entry.name)} is not where the archive's directory says; the file is broken, fetch it again.`,
    );
  }
  return start;
}

interface Directory {
  /** Entries. */
  count: number;
  bytes: number;
  start: number;
}

/** Reads the end records out of the file's last bytes. */
async function findDirectory(file: ByteFile, tail: Buffer): Promise<Directory> {
  const at = findEnd(tail);
  if (at < 0) {
    throw new FormatError(
      `${file.path} begins as a zip archive but has no directory at its end; it is truncated, fetch it again.`,
    );
  }
  const end: Directory = {
    count: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    start: tail.readUInt32LE(at + 16),
  };
  const endStart = file.size - tail.length + at;
  const locator = at - END64_LOCATOR.bytes;
  const isZip64 = locator >= 0 && tail.readUInt32LE(locator) === END64_LOCATOR.signature;
  const directory = isZip64 ? await findDirectory64(file, tail.subarray(locator, at), end) : end;
  if (directory.bytes > MAX_DIRECTORY_BYTES) {
    throw new FormatError(
      `${file.path}: the archive's directory claims ${directory.bytes} bytes, which is absurd.`,
    );
  }
  requireRange(file, directory.start, directory.bytes);
  if (directory.start + directory.bytes > endStart) {
    throw new FormatError(`${file.path}: the archive's directory goes past its own end.`);
  }
  return directory;
}

/** The last place of an end record whose comment ends with the file, or -1. */
function findEnd(tail: Buffer): number {
  for (let at = tail.length - END.bytes; at >= 0; at--) {
    const commentBytes = tail.length - END.bytes - at;
    if (tail.readUInt32LE(at) === END.signature && tail.readUInt16LE(at + 20) === commentBytes) return at;
  }
  return -1;
}

async function findDirectory64(file: ByteFile, locator: Buffer, end: Directory): Promise<Directory> {
  const record = await file.read(Number(locator.readBigUInt64LE(8)), END64.bytes);
  const directory = {
    count: Number(record.readBigUInt64LE(32)),
    bytes: Number(record.readBigUInt64LE(40)),
    start: Number(record.readBigUInt64LE(48)),
  };
  const agrees = (short: number, long: number, saturated: number) => short === saturated || short === long;
  if (
    record.readUInt32LE(0) !== END64.signature ||
    !agrees(end.count, directory.count, SATURATED_16) ||
    !agrees(end.bytes, directory.bytes, SATURATED_32) ||
    !agrees(end.start, directory.start, SATURATED_32)
  ) {
    throw new FormatError(`${file.path}: the two end records of the archive contradict each other.`);
  }
  return directory;
}

function parseDirectory(directory: Buffer, count: number, path: string): Omit<ZipEntry, 'limit'>[] {
  const broken = () =>
    new FormatError(`${path}: the archive's directory does not hold the ${count} entries it claims.`);
  const entries: Omit<ZipEntry, 'limit'>[] = [];
  let at = 0;
  while (at < directory.length) {
    const fixed = directory.subarray(at, at + DIRECTORY_ENTRY.bytes);
    if (fixed.length < DIRECTORY_ENTRY.bytes || fixed.readUInt32LE(0) !== DIRECTORY_ENTRY.signature) {
      throw broken();
    }
    const nameEnd = at + fixed.length + fixed.readUInt16LE(28);
    const extraEnd = nameEnd + fixed.readUInt16LE(30);
    const end = extraEnd + fixed.readUInt16LE(32);
    if (end > directory.length) throw broken();
    const name = directory.toString('utf8', at + fixed.length, nameEnd);
    entries.push(parseEntry(fixed, name, directory.subarray(nameEnd, extraEnd), path));
    at = end;
  }
  if (entries.length !== count) throw broken();
  return entries;
}

function parseEntry(fixed: Buffer, name: string, extra: Buffer, path: string): Omit<ZipEntry, 'limit'> {
  const where = `${path}: the entry ${quoted(name)}`;
  if (/^\/|\\|\0|(^|\/)\.\.(\/|$)/.test(name)) {
    throw new FormatError(`${where} has a name that leads out of the archive.`);
  }
  if ((fixed.readUInt16LE(8) & ENCRYPTED) !== 0) throw new UnsupportedError(`${where} is encrypted.`);
  if (fixed.readUInt16LE(10) !== STORED) {
    throw new UnsupportedError(
      `${where} is compressed, which PyTorch does not do; save the checkpoint again with torch.save.`,
    );
  }
  const [size, stored, header] = wideSizes(fixed, extra, where);
  if (size !== stored) throw new FormatError(`${where} is stored as it is, but with two sizes.`);
  return {name, size, header};
}

/** Size, stored size and header offset of an entry: from its zip64 field where 32 bits do not hold them. */
function wideSizes(fixed: Buffer, extra: Buffer, where: string): [number, number, number] {
  const values = [fixed.readUInt32LE(24), fixed.readUInt32LE(20), fixed.readUInt32LE(42)];
  const field = values.includes(SATURATED_32) ? zip64Field(extra) : Buffer.alloc(0);
  let at = 0;
  const wide = values.map((value) => {
    if (value !== SATURATED_32) return value;
    if (at + 8 > field.length) throw new FormatError(`${where} lacks the 64-bit sizes that it refers to.`);
    at += 8;
    return Number(field.readBigUInt64LE(at - 8));
  });
  return wide as [number, number, number];
}

/** The content of the zip64 field among an entry's extra fields; empty if there is none. */
function zip64Field(extra: Buffer): Buffer {
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === ZIP64_FIELD) return extra.subarray(at + 4, end);
    at = end;
  }
  return Buffer.alloc(0);
}

/** Checks that every entry ends before the next begins, and that names are unique. */
function checkPlaces(
  entries: Omit<ZipEntry, 'limit'>[],
  directoryStart: number,
  path: string,
): ReadonlyMap<string, ZipEntry> {
  const sorted = [...entries].sort((a, b) => a.header - b.header);
  const places = new Map<string, ZipEntry>();
  for (const [i, entry] of sorted.entries()) {
    const where = `${path}: the entry ${quoted(entry.name)}`;
    const limit = sorted[i + 1]?.header ?? directoryStart;
    const bytes = LOCAL_HEADER.bytes + Buffer.byteLength(entry.name) + entry.size;
    if (places.has(entry.name)) throw new FormatError(`${where} is there twice.`);
    if (entry.header + bytes > limit) {
      throw new FormatError(`${where} of ${entry.size} bytes overlaps what comes after it.`);
    }
    places.set(entry.name, {...entry, limit});
  }
  return places;
}

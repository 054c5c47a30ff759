import {Op} from '../../src/checkpoint/torch/pickle-opcodes.js';

/** The pieces of a pickle, each as bytes: what a file of torch.save is made of, and what a hostile one may be. */
export const pickle = {
  proto: (protocol = 2) => Buffer.of(Op.PROTO, protocol),
  stop: Buffer.of(Op.STOP),
  op: (...ops: number[]) => Buffer.from(ops),
  text: (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.of(Op.BINUNICODE), uint32(bytes.length), bytes]);
  },
  int: (value: number | bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return Buffer.concat([Buffer.of(Op.LONG1, 8), bytes]);
  },
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  tuple: (...items: Buffer[]) => Buffer.concat([Buffer.of(Op.MARK), ...items, Buffer.of(Op.TUPLE)]),
  list: (...items: Buffer[]) =>
    Buffer.concat([Buffer.of(Op.EMPTY_LIST, Op.MARK), ...items, Buffer.of(Op.APPENDS)]),
  dict: (...pairs: Buffer[]) =>
    Buffer.concat([Buffer.of(Op.EMPTY_DICT, Op.MARK), ...pairs, Buffer.of(Op.SETITEMS)]),
  /** The call of a global with a tuple of arguments. */
  call: (global: Buffer, args: Buffer) => Buffer.concat([global, args, Buffer.of(Op.REDUCE)]),
  whole: (value: Buffer, protocol = 2) => Buffer.concat([pickle.proto(protocol), value, pickle.stop]),
};

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A tensor as torch.save writes it: a view of a storage. */
export interface SavedTensor {
  name: string;
  shape: number[];
  strides?: number[];
  offset?: number;
  /** The storage's key and number of elements. */
  key?: string;
  count?: number | bigint;
  /** For example `FloatStorage`. */
  type?: string;
}

/** The pickle of a state dict. */
export function pickledState(tensors: readonly SavedTensor[]): Buffer {
  const {text, int, global, tuple, call, op} = pickle;
  const orderedDict = call(global('collections', 'OrderedDict'), op(Op.EMPTY_TUPLE));
  const pairs = tensors.flatMap(({name, shape, offset = 0, key = '0', type = 'FloatStorage', ...rest}) => {
    const elements = shape.reduce((n, size) => n * size, 1);
    const {count = elements, strides = shape.map((_, i) => shape.slice(i + 1).reduce((n, s) => n * s, 1))} =
      rest;
    const storage = tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(count));
    const view = tuple(
      Buffer.concat([storage, op(Op.BINPERSID)]),
      int(offset),
      tuple(...shape.map(int)),
      tuple(...strides.map(int)),
      op(Op.NEWFALSE),
      orderedDict,
    );
    return [text(name), call(global('torch._utils', '_rebuild_tensor_v2'), view)];
  });
  return pickle.whole(pickle.dict(...pairs));
}

/** A record of an archive; its directory entry can be told otherwise than it is. */
export interface Record {
  name: string;
  content: Buffer;
  /** Zip64 fields hold its sizes and place, as in archives beyond 4 GiB. */
  wide?: boolean;
  /** Bytes that the archive claims of it, the rest being a hole in the file. */
  size?: number;
}

/** A part of a file, and where it goes. */
export interface Part {
  at: number;
  bytes: Buffer;
}

/** An archive of stored records, as parts with holes between them, and its size. */
export function zipParts(records: readonly Record[]): {parts: Part[]; size: number} {
  const parts: Part[] = [];
  let at = 0;
  const put = (bytes: Buffer) => {
    parts.push({at, bytes});
    at += bytes.length;
  };
  const directory = records.map(({name, content, wide = false, size = content.length}) => {
    const header = at;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(Buffer.byteLength(name), 26);
    put(Buffer.concat([local, Buffer.from(name)]));
    put(content);
    at += size - content.length;
    return directoryEntry(name, size, header, wide);
  });
  const start = at;
  put(Buffer.concat(directory));
  put(endRecords(records.length, start, at - start));
  return {parts, size: at};
}

function directoryEntry(name: string, size: number, header: number, wide: boolean): Buffer {
  const extra = Buffer.alloc(wide ? 28 : 0);
  if (wide) {
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    for (const [i, value] of [size, size, header].entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  }
  const fixed = Buffer.alloc(46);
  fixed.writeUInt32LE(0x02014b50, 0);
  fixed.writeUInt32LE(wide ? 0xffffffff : size, 20);
  fixed.writeUInt32LE(wide ? 0xffffffff : size, 24);
  fixed.writeUInt16LE(Buffer.byteLength(name), 28);
  fixed.writeUInt16LE(extra.length, 30);
  fixed.writeUInt32LE(wide ? 0xffffffff : header, 42);
  return Buffer.concat([fixed, Buffer.from(name), extra]);
}

/** The zip64 end record, its locator, and the end record: an archive may always have all three. */
function endRecords(count: number, start: number, bytes: number): Buffer {
  const narrow = (value: number) => Math.min(value, 0xffffffff);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(bytes), 40);
  end64.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(start + bytes), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(narrow(bytes), 12);
  end.writeUInt32LE(narrow(start), 16);
  return Buffer.concat([end64, locator, end]);
}

/** The records of a torch archive: a pickle and storages by their keys. */
export function torchRecords(pickleBytes: Buffer, storages: {[key: string]: Buffer}): Record[] {
  return [
    {name: 'archive/data.pkl', content: pickleBytes},
    {name: 'archive/byteorder', content: Buffer.from('little')},
    ...Object.entries(storages).map(([key, content]) => ({name: `archive/data/${key}`, content})),
    {name: 'archive/version', content: Buffer.from('3\n')},
  ];
}

/** Parts put together; what lies between them is zeros. */
export function joined({parts, size}: {parts: Part[]; size: number}): Buffer {
  const bytes = Buffer.alloc(size);
  for (const {at, bytes: part} of parts) bytes.set(part, at);
  return bytes;
}

import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {cp, open, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint, FormatError, SafetensorsFile, UnsupportedError, ZttError} from '../../../src/index.js';
import {modelTensors, parseArchitecture, vanilla} from '../../../src/model/index.js';
import {TorchFile, type WeightFile} from '../../../src/checkpoint/index.js';
import {Op} from '../../../src/checkpoint/torch/pickle-opcodes.js';
import {CountingFiles} from '../../helpers/counting-files.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {OPT_13B} from '../../helpers/sparse-checkpoint.js';
import {freshTempFolder} from '../../helpers/temp.js';
import {
  joined,
  pickle,
  pickledState,
  torchRecords,
  zipParts,
  type SavedTensor,
} from '../../helpers/torch-files.js';

const TORCH = join(FIXTURES, 'torch');
const GOOD = readdirSync(TORCH).filter((name) => name.endsWith('.bin'));
const REFUSED = readdirSync(join(TORCH, 'refused'));

const temp = freshTempFolder();

async function bytesOf(file: Pick<WeightFile, 'chunks'>, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.chunks(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Every tensor as text, with its bytes in hex. */
async function contentOf(file: WeightFile | Checkpoint): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const [name, {dtype, shape}] of file.tensors) {
    const bytes = await bytesOf(file, name);
    entries.push([`tensor ${name}`, `${dtype} [${shape.join()}] ${bytes.toString('hex')}`]);
  }
  return Object.fromEntries(entries.sort());
}

/** Writes parts of a file, with holes between them. */
async function writeSparseFile(path: string, {parts, size}: ReturnType<typeof zipParts>): Promise<void> {
  const handle = await open(path, 'w');
  for (const {at, bytes} of parts) await handle.write(bytes, 0, bytes.length, at);
  await handle.truncate(size);
  await handle.close();
}

/** Writes a torch archive of this state and these storages. */
async function archive(tensors: readonly SavedTensor[], storages: {[key: string]: Buffer}): Promise<string> {
  const path = temp.path('made.bin');
  await writeFile(path, joined(zipParts(torchRecords(pickledState(tensors), storages))));
  return path;
}

describe('a file of torch.save', () => {
  it.each(GOOD)('%s holds what PyTorch wrote', async (name) => {
    const file = await TorchFile.open(join(TORCH, name));
    const expected = await SafetensorsFile.open(join(TORCH, `${name.split('.')[0]}.safetensors`));
    expect(await contentOf(file)).toEqual(await contentOf(expected));
    await Promise.all([file.close(), expected.close()]);
  });

  it('comes in shards', async () => {
    const checkpoint = await Checkpoint.open(join(TORCH, 'sharded'));
    const expected = await SafetensorsFile.open(join(TORCH, 'sharded', 'expected.safetensors'));
    expect(checkpoint.files).toHaveLength(2);
    expect(await contentOf(checkpoint)).toEqual(await contentOf(expected));
    await Promise.all([checkpoint.close(), expected.close()]);
  });

  it('opens by its directory and pickle alone', async () => {
    const files = new CountingFiles(join(FIXTURES, 'oracle', 'opt-bin'));
    const checkpoint = await Checkpoint.open(files);
    expect(checkpoint.tensors.size).toBe(85);
    expect(files.reads).toBeLessThan(12);
    await checkpoint.close();
    expect(files.opened).toBe(0);
  });

  it('is taken where no safetensors is, and by its own path', async () => {
    await cp(join(TORCH, 'shared.zip.bin'), temp.path('pytorch_model.bin'));
    const alone = await Checkpoint.open(temp.path());
    expect(alone.tensors.has('head.weight')).toBe(true);
    await alone.close();
    const named = await Checkpoint.open(temp.path('pytorch_model.bin'));
    expect(named.folder).toBe(temp.path());
    await named.close();
    await cp(join(TORCH, 'transposed.safetensors'), temp.path('model.safetensors'));
    const both = await Checkpoint.open(temp.path());
    expect([...both.tensors.keys()]).toContain('matrix');
    await both.close();
  });

  it('may be larger than 4 GiB', async () => {
    const count = 5 * 2 ** 28;
    const bytes = 4 * count;
    const state = pickledState([
      {name: 'large', shape: [count], key: '0', count},
      {name: 'end', shape: [2], offset: count - 2, key: '0', count},
      {name: 'small', shape: [1], key: '1', count: 1},
    ]);
    const records = torchRecords(state, {'0': Buffer.alloc(0), '1': Buffer.from(Float32Array.of(7).buffer)});
    records[2]!.size = bytes;
    const {parts, size} = zipParts(records.map((record) => ({...record, wide: true})));
    const path = temp.path('large.bin');
    // The record's last two elements.
    parts.push({at: parts[5]!.at + bytes - 8, bytes: Buffer.from(Float32Array.of(3, 4).buffer)});
    await writeSparseFile(path, {parts, size});
    const file = await TorchFile.open(path);
    expect(file.size).toBeGreaterThan(2 ** 32);
    expect(file.info('large').shape).toEqual([count]);
    expect([...(await file.readFloat32('end'))]).toEqual([3, 4]);
    expect([...(await file.readFloat32('small'))]).toEqual([7]);
    await file.close();
  });

  it('is of little cost to open, even as OPT-13b', async () => {
    const arch = parseArchitecture(OPT_13B, 'the test');
    const specs = modelTensors(arch, vanilla(arch.layers.length));
    const tensors = specs.map((spec, i) => ({...spec, key: String(i), type: 'HalfStorage'}));
    const storages = Object.fromEntries(tensors.map(({key}) => [key, Buffer.alloc(0)]));
    const sizes = new Map(
      tensors.map(({key, shape}) => [`archive/data/${key}`, 2 * shape.reduce((n, size) => n * size, 1)]),
    );
    const records = torchRecords(pickledState(tensors), storages).map((record) => ({
      ...record,
      size: sizes.get(record.name),
      wide: true,
    }));
    await writeSparseFile(temp.path('pytorch_model.bin'), zipParts(records));
    const files = new CountingFiles(temp.path());
    const checkpoint = await Checkpoint.open(files);
    expect(checkpoint.tensors.size).toBe(644);
    expect(files.reads).toBeLessThan(12);
    expect(files.bytes).toBeLessThan(300_000);
    expect(checkpoint.files[0]!.size).toBeGreaterThan(25e9);
    await checkpoint.close();
  });

  it('gives a transposed matrix of many chunks row by row', async () => {
    // A little more than is put together in memory at a time.
    const [rows, columns] = [2053, 4099];
    const stored = Float64Array.from({length: rows * columns}, (_, i) => i);
    const path = await archive(
      [{name: 'x', shape: [rows, columns], strides: [1, rows], type: 'DoubleStorage'}],
      {
        '0': Buffer.from(stored.buffer),
      },
    );
    const file = await TorchFile.open(path);
    const values = new Float64Array((await bytesOf(file, 'x')).buffer);
    await file.close();
    let wrong = 0;
    for (let i = 0; i < values.length; i++) {
      const [row, column] = [Math.floor(i / columns), i % columns];
      if (values[i] !== stored[column * rows + row]) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

describe('the reader of torch.save refuses', () => {
  const messages: Record<string, RegExp> = {
    code: /asks for "posix\.system", which no model's weights need; the file may try to run code/,
    'code-legacy': /asks for "posix\.system"/,
    'code-eval': /asks for "(builtins|__builtin__)\.eval"/,
    'code-protocol-4': /asks for "posix\.system"/,
    module: /asks for "torch\.nn\.modules\.linear\.Linear"/,
    sparse: /asks for "torch\._utils\._rebuild_sparse_tensor"/,
    complex: /asks for "torch\.ComplexFloatStorage"/,
    float8: /asks for "torch\./,
    strided: /tensor "weight" \[4, 2\] is stored in strides \(4, 1\)/,
    'strided-3d': /tensor "weight" \[4, 2, 3\] is stored in strides \(1, 12, 4\)/,
    'training-checkpoint': /holds a dict of "state_dict", "epoch", where "state_dict" is a dict/,
    tensor: /holds a tensor, not a dict of tensors by name/,
    list: /holds a list, not a dict of tensors by name/,
    'big-endian': /byte order "big"/,
    'version-99': /archive version "99"; versions 1 to 10 are read/,
    deflated: /"archive\/data\.pkl" is compressed/,
    twice: /"archive\/data\/0" is there twice/,
    outside: /"\.\.\/archive\/data\/1" has a name that leads out of the archive/,
    'no-storage': /lacks the record of storage "0"/,
    'short-storage': /storage "0" needs 24 bytes but has 20/,
    'no-pickle': /it has 0 data\.pkl, not one/,
    'two-pickles': /it has 2 data\.pkl, not one/,
  };

  it.each(REFUSED)('%s', async (file) => {
    const name = file.replace('.bin', '');
    const opened = TorchFile.open(join(TORCH, 'refused', file));
    await expect(opened).rejects.toThrow(ZttError);
    await expect(opened).rejects.toThrow(messages[name]);
    if (name.startsWith('code')) await expect(opened).rejects.toThrow(/Nothing of it was executed/);
    expect(existsSync('executed')).toBe(false);
  });

  const weight: SavedTensor = {name: 'weight', shape: [2, 3]};
  const bytes24 = Buffer.alloc(24);

  it.each<[string, SavedTensor, RegExp]>([
    ['past its storage', {...weight, offset: 1, count: 6}, /begins at element 1 of a storage of 6/],
    ['larger than its storage', {...weight, count: 5}, /of a storage of 5, and goes past its end/],
    ['of a storage past the file', {...weight, count: 1e12}, /needs 4000000000000 bytes but has 24/],
    ['of a storage beyond numbers', {...weight, count: 2n ** 62n}, /refers to what is no storage/],
    ['of an absurd shape', {...weight, shape: [2 ** 40, 2 ** 40], count: 6}, /goes past its end/],
    ['of a negative size', {...weight, shape: [-2, -3], count: 6}, /arguments that do not fit/],
    ['at a negative offset', {...weight, offset: -1, count: 6}, /arguments that do not fit/],
    ['of too many dimensions', {...weight, shape: Array<number>(99).fill(1)}, /arguments that do not fit/],
    ['expanded from one element', {...weight, strides: [0, 0], count: 1}, /goes past its end/],
    ['with overlapping rows', {...weight, strides: [1, 1], count: 6}, /stored in strides \(1, 1\)/],
    ['with too few strides', {...weight, strides: [1], count: 6}, /stored in strides \(1\)/],
  ])('a tensor %s', async (_, tensor, message) => {
    const opened = TorchFile.open(await archive([tensor], {'0': bytes24}));
    await expect(opened).rejects.toThrow(message);
  });

  const {text, int, op, global, tuple, list, dict, call} = pickle;
  const nothing = op(Op.NONE);
  const storage = (...items: Buffer[]) => Buffer.concat([tuple(...items), op(Op.BINPERSID)]);
  it.each<[string, Buffer, RegExp]>([
    ['of protocol 0', Buffer.from('(dp0\n.'), /does not begin as a pickle of protocol 2 to 5/],
    ['of protocol 6', pickle.whole(dict(), 6), /protocol 2 to 5/],
    ['that ends early', Buffer.concat([pickle.proto(), dict()]), /the pickle is cut off/],
    ['without a value', pickle.whole(Buffer.alloc(0)), /ends with no single value/],
    ['with two values', pickle.whole(Buffer.concat([dict(), dict()])), /ends with no single value/],
    ['with an open mark', pickle.whole(Buffer.concat([dict(), op(Op.MARK)])), /ends with no single value/],
    ['that takes from nothing', pickle.whole(op(Op.TUPLE2)), /takes from an empty stack/],
    ['that closes no mark', pickle.whole(op(Op.TUPLE)), /a mark that is not there/],
    ['that recalls nothing', pickle.whole(op(Op.BINGET, 3)), /recalls value 3/],
    ['that keeps nothing', pickle.whole(op(Op.BINPUT, 3)), /takes from an empty stack/],
    ['that calls a string', pickle.whole(call(text('os.system'), tuple())), /calls what is no function/],
    ['that calls a storage type', pickle.whole(call(global('torch', 'FloatStorage'), tuple())), /do not fit/],
    [
      'that calls with no tuple',
      pickle.whole(call(global('collections', 'OrderedDict'), nothing)),
      /calls what is no function/,
    ],
    [
      'that fills an ordered dict at once',
      pickle.whole(call(global('collections', 'OrderedDict'), tuple(list()))),
      /OrderedDict with arguments that do not fit/,
    ],
    [
      'that makes a parameter of nothing',
      pickle.whole(call(global('torch._utils', '_rebuild_parameter'), tuple(nothing))),
      /arguments that do not fit/,
    ],
    ['that refers to nothing', pickle.whole(storage(nothing)), /refers to what is no storage/],
    [
      'that names a storage by a number',
      pickle.whole(storage(text('storage'), global('torch', 'FloatStorage'), int(1), nothing, int(1))),
      /refers to what is no storage/,
    ],
    ['that appends to a dict', pickle.whole(Buffer.concat([dict(), nothing, op(Op.APPEND)])), /no list/],
    [
      'that sets items of a list',
      pickle.whole(Buffer.concat([list(), nothing, nothing, op(Op.SETITEM)])),
      /sets items of what is no dict/,
    ],
    ['with half a pair', pickle.whole(dict(text('x'))), /sets items of what is no dict/],
    [
      'that sets attributes of a list',
      pickle.whole(Buffer.concat([list(), dict(), op(Op.BUILD)])),
      /sets attributes of what is no state dict/,
    ],
    [
      'that sets attributes to a tuple',
      pickle.whole(Buffer.concat([dict(), tuple(), op(Op.BUILD)])),
      /sets attributes of what is no state dict/,
    ],
    [
      'with a string past its end',
      Buffer.concat([pickle.proto(), Buffer.from([Op.BINUNICODE, 255, 255, 255, 255])]),
      /cut off/,
    ],
    [
      'with a string of 2^63 bytes',
      Buffer.concat([pickle.proto(), Buffer.from([Op.BINUNICODE8, 0, 0, 0, 0, 0, 0, 0, 128])]),
      /cut off/,
    ],
    [
      'with a string that is no UTF-8',
      pickle.whole(Buffer.from([Op.SHORT_BINUNICODE, 1, 255])),
      /a string is no UTF-8/,
    ],
    ['with a name without end', Buffer.concat([pickle.proto(), Buffer.from('cos\nsystem')]), /cut off/],
    ['with a key that is a number', pickle.whole(dict(int(1), int(2))), /where a key that is a number/],
    ['with a number for a tensor', pickle.whole(dict(text('x'), int(2))), /where "x" is a number/],
    ['with None for a tensor', pickle.whole(dict(text('x'), nothing)), /where "x" is None/],
    ['that is a name', pickle.whole(global('torch', 'FloatStorage')), /holds a reference to torch\.FloatSt/],
    [
      'that holds itself',
      pickle.whole(Buffer.concat([dict(), op(Op.MEMOIZE, Op.BINGET, 0, Op.BINGET, 0, Op.SETITEM)])),
      /where a key that is a dict is a dict/,
    ],
    [
      'of a million operations',
      pickle.whole(Buffer.alloc(1_000_000, Op.EMPTY_DICT)),
      /more than 500000 operations/,
    ],
  ])('a pickle %s', async (_, bytes, message) => {
    const path = temp.path('made.bin');
    await writeFile(path, joined(zipParts(torchRecords(bytes, {'0': bytes24}))));
    const opened = TorchFile.open(path);
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow(ZttError);
  });

  it.each([
    ...[Op.POP, Op.POP_MARK, Op.DUP, Op.BINBYTES, Op.SHORT_BINBYTES, Op.FLOAT, Op.INT, Op.LONG, Op.PERSID],
    ...[Op.STRING, Op.BINSTRING, Op.UNICODE, Op.DICT, Op.GET, Op.INST, Op.LIST, Op.OBJ, Op.PUT, Op.NEWOBJ],
    ...[Op.EXT1, Op.EXT2, Op.EXT4, Op.LONG4, Op.BINBYTES8, Op.EMPTY_SET, Op.ADDITEMS, Op.FROZENSET],
    ...[Op.NEWOBJ_EX, Op.BYTEARRAY8, Op.NEXT_BUFFER, Op.READONLY_BUFFER],
  ])('the operation %i by its name', async (code) => {
    const path = temp.path('made.bin');
    const bytes = pickle.whole(Buffer.concat([op(Op.MARK), nothing, nothing, op(code)]));
    await writeFile(path, joined(zipParts(torchRecords(bytes, {}))));
    const name = Object.entries(Op).find(([, value]) => value === code)![0];
    await expect(TorchFile.open(path)).rejects.toThrow(UnsupportedError);
    await expect(TorchFile.open(path)).rejects.toThrow(`uses the operation ${name}, which no model's`);
  });

  it.each([
    ['nothing', '', /no file of torch\.save/],
    ['text', 'hello', /no file of torch\.save/],
    ['a plain pickle', pickle.whole(dict()), /no file of torch\.save/],
    ['the beginning of an archive', 'PK\u0003\u0004', /no directory at its end; it is truncated/],
    ['a tar archive', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar')]), /is a tar archive/],
  ])('%s', async (_, content, message) => {
    await writeFile(temp.path('made.bin'), content);
    await expect(TorchFile.open(temp.path('made.bin'))).rejects.toThrow(message);
  });

  it.each(['shared.zip.bin', 'shared.legacy.bin'])('%s, wherever it is cut off', async (name) => {
    const whole = readFileSync(join(TORCH, name));
    for (let length = 0; length < whole.length; length += 23) {
      await writeFile(temp.path('made.bin'), whole.subarray(0, length));
      await expect(TorchFile.open(temp.path('made.bin'))).rejects.toThrow(FormatError);
    }
  });

  it('a record whose own header is elsewhere or other, when it is read', async () => {
    const whole = readFileSync(join(TORCH, 'shared.zip.bin'));
    const name = whole.indexOf('/data/1');
    const header = whole.lastIndexOf('PK\u0003\u0004', name);
    // Its signature, an encryption flag, the method, the lengths of name and extra field, the name.
    for (const at of [header, header + 6, header + 8, header + 26, header + 29, name + 6]) {
      const broken = Buffer.from(whole);
      broken[at]! ^= 1;
      await writeFile(temp.path('made.bin'), broken);
      const file = await TorchFile.open(temp.path('made.bin'));
      await expect(file.readFloat32('embedding.weight')).rejects.toThrow(
        /is not where the archive's directory/,
      );
      await file.close();
    }
  });

  it('a legacy storage of another length, when it is read', async () => {
    const whole = readFileSync(join(TORCH, 'transposed.legacy.bin'));
    // The first storage's 15 elements, counted in front of it.
    const at = whole.indexOf(Buffer.from([15, 0, 0, 0, 0, 0, 0, 0]));
    whole[at] = 14;
    await writeFile(temp.path('made.bin'), whole);
    const file = await TorchFile.open(temp.path('made.bin'));
    await expect(file.readFloat32('matrix')).rejects.toThrow(/has 14 elements where its tensors say 15/);
    await file.close();
  });

  it.each([
    ['../pytorch_model-00001-of-00002.bin', /no name of a \.bin file beside it/],
    ['model.safetensors', /no name of a \.bin file/],
    ['pytorch_model-00003-of-00003.bin', /cannot be read/],
    ['pytorch_model-00002-of-00002.bin', /which lacks it|is not listed for this shard/],
  ])('an index that leads to %s', async (shard, message) => {
    await cp(join(TORCH, 'sharded'), temp.path('sharded'), {recursive: true});
    const path = temp.path('sharded', 'pytorch_model.bin.index.json');
    const index = readFileSync(path, 'utf8');
    await rm(path);
    await writeFile(path, index.replace('"a": "pytorch_model-00001-of-00002.bin"', `"a": "${shard}"`));
    await expect(Checkpoint.open(temp.path('sharded'))).rejects.toThrow(message);
  });
});

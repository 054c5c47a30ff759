import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import type {ByteFile} from '../bytes/byte-file.js';
import {elementBytes} from '../tensors/dtype.js';
import {MAX_PICKLE_BYTES, PickleEndError, PickleList, unpickle} from './pickle.js';
import type {StoragePlace, TorchContent} from './torch-content.js';
import {stateDict, torchRules, type StorageRef} from './torch-pickle.js';

/** The number that the first pickle of a legacy file holds. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Bytes read at first for the pickles, which are a few hundred kB even for the largest OPT. */
const FIRST_READ = 1 << 20;

/** In front of each storage's bytes: its number of elements. */
const COUNT_BYTES = 8;

/**
 * Reads what a torch.save file of before PyTorch 1.6 holds: five pickles (magic number, protocol, system, state dict,
 * storage keys), then each storage in the order of the keys.
 * @throws UnsupportedError or FormatError for what is no such file, is big-endian, or holds anything but tensors
 */
export async function readTorchLegacy(file: ByteFile): Promise<TorchContent> {
  const most = Math.min(file.size, 2 * MAX_PICKLE_BYTES);
  for (let bytes = Math.min(FIRST_READ, most); ; bytes = Math.min(8 * bytes, most)) {
    const head = await file.read(0, bytes);
    try {
      return parse(head, file);
    } catch (error) {
      if (!(error instanceof PickleEndError) || bytes === most) throw error;
    }
  }
}

function parse(head: Buffer, file: ByteFile): TorchContent {
  const {path} = file;
  let at = 0;
  const next = (): unknown => {
    const {value, end} = unpickle(head, at, torchRules(path), path);
    at = end;
    return value;
  };
  if (next() !== MAGIC || next() !== PROTOCOL) throw new FormatError(`${path} is no file of torch.save.`);
  const system = next();
  if (!(system instanceof Map && system.get('little_endian') === true)) {
    throw new UnsupportedError(
      `${path} was written on a big-endian machine; little-endian checkpoints are read. Load and save it with PyTorch on a little-endian machine.`,
    );
  }
  const tensors = stateDict(next(), path);
  const keys = next();
  if (!(keys instanceof PickleList)) throw new FormatError(`${path}: the list of storages is missing.`);
  const storages = new Map([...tensors.values()].map(({storage}) => [storage.key, storage]));
  return {tensors, places: placeStorages(file, keys.items, storages, at)};
}

/** Where each storage lies: one after the other, each behind its number of elements. */
function placeStorages(
  file: ByteFile,
  keys: readonly unknown[],
  storages: ReadonlyMap<unknown, StorageRef>,
  start: number,
): Map<string, StoragePlace> {
  const places = new Map<string, StoragePlace>();
  let at = start;
  for (const key of keys) {
    const storage = storages.get(key);
    // Without a tensor that tells its type, a storage's bytes cannot be stepped over.
    if (!storage || places.has(storage.key)) {
      throw new FormatError(`${file.path}: the list of storages does not fit the tensors.`);
    }
    const header = at;
    const bytes = storage.count * elementBytes(storage.dtype);
    places.set(storage.key, {bytes, start: async () => storageStart(file, header, storage)});
    at += COUNT_BYTES + bytes;
  }
  if (places.size !== storages.size) {
    throw new FormatError(`${file.path}: the list of storages does not fit the tensors.`);
  }
  if (at > file.size) {
    throw new FormatError(
      `${file.path}: the storages end at byte ${at} but the file has ${file.size}; it is truncated, fetch it again.`,
    );
  }
  return places;
}

/** Where a storage's bytes begin, once the number in front of them is as the pickle says. */
async function storageStart(file: ByteFile, header: number, storage: StorageRef): Promise<number> {
  const count = (await file.read(header, COUNT_BYTES)).readBigInt64LE();
  if (count !== BigInt(storage.count)) {
    throw new FormatError(
      `${file.path}: storage ${quoted(storage.key)} has ${count} elements where its tensors say ${storage.count}; the file is broken, fetch it again.`,
    );
  }
  return header + COUNT_BYTES;
}

import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import type {ByteFile} from '../bytes/byte-file.js';
import {MAX_PICKLE_BYTES, unpickle} from './pickle.js';
import type {StoragePlace, TorchContent} from './torch-content.js';
import {stateDict, torchRules} from './torch-pickle.js';
import {contentStart, readZipDirectory, type ZipEntry} from './zip.js';

/** Versions of the archive that PyTorch has written so far, for tensors as they are read here. */
const VERSIONS = {first: 1, last: 10};

/** The largest of the one-word records. */
const MAX_WORD_BYTES = 64;

/**
 * Reads what a torch.save file of PyTorch 1.6 or later holds: a zip archive with `data.pkl`, the pickle of the
 * state dict, and one stored record `data/KEY` for each storage, all in one folder of any name.
 * @throws UnsupportedError or FormatError for what is no such file, is big-endian, or holds anything but tensors
 */
export async function readTorchZip(file: ByteFile): Promise<TorchContent> {
  const {path} = file;
  const entries = await readZipDirectory(file);
  const folder = archiveFolder(entries, path);
  const record = (name: string) => entries.get(`${folder}/${name}`);
  const read = async (entry: ZipEntry, maxBytes: number): Promise<Buffer> => {
    if (entry.size > maxBytes) {
      throw new FormatError(
        `${path}: the entry ${quoted(entry.name)} has ${entry.size} bytes; at most ${maxBytes} are read.`,
      );
    }
    return file.read(await contentStart(file, entry), entry.size);
  };
  const word = async (name: string): Promise<string | null> => {
    const entry = record(name);
    return entry ? (await read(entry, MAX_WORD_BYTES)).toString('latin1').trim() : null;
  };

  if (record('constants.pkl')) {
    throw new UnsupportedError(
      `${path} is a TorchScript program, not a state dict; save model.state_dict().`,
    );
  }
  checkVersion(await word('version'), path);
  // PyTorch before 2.1 wrote no byte order; it ran on little-endian machines.
  checkByteOrder((await word('byteorder')) ?? 'little', path);
  const where = `${path} (data.pkl)`;
  const pickle = await read(record('data.pkl')!, MAX_PICKLE_BYTES);
  const tensors = stateDict(unpickle(pickle, 0, torchRules(where), where).value, where);
  const places = new Map<string, StoragePlace>();
  for (const {storage} of tensors.values()) {
    const entry = record(`data/${storage.key}`);
    if (!entry) throw new FormatError(`${path} lacks the record of storage ${quoted(storage.key)}.`);
    places.set(storage.key, {bytes: entry.size, start: () => contentStart(file, entry)});
  }
  return {tensors, places};
}

/** The folder of the one `data.pkl` that stands at its top. */
function archiveFolder(entries: ReadonlyMap<string, ZipEntry>, path: string): string {
  const folders = [...entries.keys()].flatMap((name) => /^([^/]+)\/data\.pkl$/.exec(name)?.[1] ?? []);
  if (folders.length !== 1) {
    throw new UnsupportedError(
      `${path} is a zip archive, but none of torch.save: it has ${folders.length} data.pkl, not one.`,
    );
  }
  return folders[0]!;
}

function checkVersion(version: string | null, path: string): void {
  const number = version !== null && /^\d{1,2}$/.test(version) ? Number(version) : NaN;
  if (!(number >= VERSIONS.first && number <= VERSIONS.last)) {
    throw new UnsupportedError(
      `${path} is of archive version ${version === null ? 'none' : quoted(version)}; versions ${VERSIONS.first} to ${VERSIONS.last} are read.`,
    );
  }
}

function checkByteOrder(order: string, path: string): void {
  if (order !== 'little') {
    throw new UnsupportedError(
      `${path} has the byte order ${quoted(order)}; little-endian checkpoints are read. Load and save it with PyTorch on a little-endian machine.`,
    );
  }
}

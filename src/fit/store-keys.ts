import {Checkpoint} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import {changeFileWhole} from '../files/index.js';
import {ZERO_KEYS} from '../model/index.js';
import type {FittedExit} from './fit-exits.js';

/**
 * Writes fitted zero keys into a model's weight file, whole or not at all: the file is copied beside itself, the copy
 * gets the keys, and takes the file's place. Nothing else of the file changes.
 * @throws FileError for a disk that refuses; FormatError for a model whose zero keys are not float32 in a row
 */
export async function storeKeys(folder: string, exits: readonly FittedExit[]): Promise<void> {
  const checkpoint = await Checkpoint.open(folder);
  const {dtype} = checkpoint.info(ZERO_KEYS);
  const place = checkpoint.place(ZERO_KEYS);
  await checkpoint.close();
  if (!place || dtype !== 'F32') {
    throw new FormatError(
      `${folder}: ${ZERO_KEYS} is ${dtype} and must be float32 in a safetensors file; convert the model anew.`,
    );
  }
  const {path, start} = place;
  await changeFileWhole(path, async (copy) => {
    for (const {slot, keys} of exits) {
      // Every platform that Node runs on here is little-endian, as the format is.
      await copy.write(keys, 0, keys.byteLength, start + slot * keys.byteLength);
    }
  });
}

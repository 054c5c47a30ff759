import type {PlacedTensor} from './torch-pickle.js';

/** Where a storage lies in a file. */
export interface StoragePlace {
  bytes: number;
  /** The first byte in the file. What stands in front of it is read and checked. @throws FormatError */
  start(): Promise<number>;
}

/** What a torch.save file holds. */
export interface TorchContent {
  tensors: ReadonlyMap<string, PlacedTensor>;
  /** By the storages' keys. */
  places: ReadonlyMap<string, StoragePlace>;
}

import {byteLength, type PlannedFile, type TensorLayout} from '../checkpoint/index.js';

/** Tensors begin at multiples of a memory page, so that a runtime can map them. */
const PAGE = 4096;

/** A browser's limit for one buffer is 2 GiB. */
const MAX_DATA_BYTES = 2e9;

/**
 * Lays out the files of a graph's weights as transformers.js looks for them: `model.onnx_data`, then
 * `model.onnx_data_1` where that is full, and so on. A tensor above the limit is alone in its file.
 * @param graphName - `model.onnx`
 */
export function planDataFiles(
  graphName: string,
  tensors: readonly TensorLayout[],
  maxBytes = MAX_DATA_BYTES,
): PlannedFile[] {
  const files: {starts: Map<string, number>; bytes: number}[] = [];
  for (const tensor of tensors) {
    const size = byteLength(tensor);
    let file = files.at(-1);
    let start = Math.ceil((file?.bytes ?? 0) / PAGE) * PAGE;
    if (!file || start + size > maxBytes) {
      file = {starts: new Map(), bytes: 0};
      files.push(file);
      start = 0;
    }
    file.starts.set(tensor.name, start);
    file.bytes = start + size;
  }
  return files.map((file, i) => ({
    name: `${graphName}_data${i === 0 ? '' : `_${i}`}`,
    header: new Uint8Array(),
    ...file,
  }));
}

import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {env, InferenceSession, Tensor} from 'onnxruntime-web';

// One thread: a pool of its own would outlive the tests.
env.wasm.numThreads = 1;
env.logLevel = 'error';

/** Keys and values of tokens that have been read, by slot. */
export type Past = ReadonlyMap<string, Tensor>;

export interface OnnxStep {
  /** Of each row: [T, V], one position after the other. */
  logits: Float32Array[];
  shape: readonly number[];
  past: Past;
}

/** An exported model in ONNX Runtime. */
export class OnnxModel {
  private constructor(private readonly session: InferenceSession) {}

  static async load(folder: string, graph = 'model.onnx'): Promise<OnnxModel> {
    const onnx = join(folder, 'onnx');
    const names = (await readdir(onnx)).filter((name) => name.startsWith(`${graph}_data`));
    const externalData = await Promise.all(
      names.map(async (path) => ({path, data: new Uint8Array(await readFile(join(onnx, path)))})),
    );
    const bytes = new Uint8Array(await readFile(join(onnx, graph)));
    return new OnnxModel(await InferenceSession.create(bytes, {executionProviders: ['wasm'], externalData}));
  }

  get inputs(): readonly string[] {
    return this.session.inputNames;
  }

  /**
   * Reads rows of tokens, which go on from what was read before. Rows that are shorter than the longest are padded on
   * the left, as are rows of the past.
   * @param masks - for each row, whether each position, those of the past among them, is a token
   */
  async read(rows: readonly number[][], masks: readonly boolean[][], past?: Past): Promise<OnnxStep> {
    const [B, T] = [rows.length, rows[0]!.length];
    // As transformers.js has them: tokens counted, without the padding.
    const positions = masks.map((mask) => {
      let next = 0;
      return mask.map((token) => (token ? next++ : 1)).slice(-T);
    });
    const feeds: Record<string, Tensor> = {
      input_ids: int64(rows),
      attention_mask: int64(masks.map((mask) => mask.map(Number))),
      position_ids: int64(positions),
    };
    for (const meta of this.session.inputMetadata) {
      if (!meta.isTensor || !meta.name.startsWith('past')) continue;
      const dims = meta.shape.map((size) =>
        size === 'batch_size' ? B : typeof size === 'number' ? size : 0,
      );
      const empty = () =>
        new Tensor(meta.type, meta.type === 'float16' ? new Uint16Array() : new Float32Array(), dims);
      feeds[meta.name] = past?.get(meta.name) ?? empty();
    }
    const outputs = await this.session.run(feeds);
    const present = Object.entries(outputs).filter(([name]) => name.startsWith('present'));
    const {logits} = outputs;
    const values = logits!.data as Float32Array;
    const perRow = values.length / B;
    return {
      logits: rows.map((_, row) => values.slice(row * perRow, (row + 1) * perRow)),
      shape: logits!.dims,
      past: new Map(present.map(([name, tensor]) => [name.replace('present', 'past_key_values'), tensor])),
    };
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

function int64(rows: readonly (readonly number[])[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
}

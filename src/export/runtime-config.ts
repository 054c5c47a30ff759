import {DTYPE_NAMES} from '../checkpoint/index.js';
import {familyOf, type ModelConfig, type Slot} from '../model/index.js';
import type {GraphDtype} from './onnx-graph.js';

/** transformers.js' names of the dtypes. */
const DTYPES = {F32: 'fp32', F16: 'fp16'} as const satisfies Record<GraphDtype, string>;

/** The graph's file, as transformers.js looks for it in the folder `onnx`. */
export const graphName = (dtype: GraphDtype): string => `model${dtype === 'F32' ? '' : '_fp16'}.onnx`;

/**
 * The config.json beside an ONNX file. transformers.js knows no ztt: to it the model is one of its family with as many
 * layers as it has slots, for it asks the config for nothing but the cache's places. What dtype there is, and in how
 * many files, it reads there too.
 * @param slots - those that run
 * @param cycles - that they are of
 * @param dataFiles - that hold the weights
 */
export function runtimeConfig(
  {arch, base, ztt}: ModelConfig,
  slots: readonly Slot[],
  cycles: number,
  dtype: GraphDtype,
  dataFiles: number,
): Record<string, unknown> {
  return {
    ...familyOf(arch).withLayers(
      base,
      slots.map(({sources}) => sources[0]!),
    ),
    model_type: arch.family,
    torch_dtype: DTYPE_NAMES[dtype],
    // The same in Transformers 5, of the source's weights.
    dtype: undefined,
    'transformers.js_config': {
      dtype: DTYPES[dtype],
      // Of version 3; later ones ask the file.
      kv_cache_dtype: DTYPE_NAMES[dtype],
      use_external_data_format: dataFiles,
    },
    ...(ztt && {ztt: {...ztt, cycles}}),
  };
}

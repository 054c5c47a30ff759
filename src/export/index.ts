/** Models for other runtimes: ONNX graphs, with what transformers.js needs beside them. */
export {EXPORT_DTYPES} from './options.js';
export {
  exportOnnx,
  planExport,
  type ExportOptions,
  type ExportPlanOptions,
  type ExportReport,
} from './export-onnx.js';

import {create, toBinary} from '@bufbuild/protobuf';
import {byteLength, type PlannedFile, type TensorLayout} from '../checkpoint/index.js';
import {FLOAT_TYPE, type OnnxGraph} from './onnx-graph.js';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataLocation as DataLocation,
  TensorProtoSchema,
  type TensorProto,
} from './onnx_pb.js';

/** The operators' versions: of 20 are Gelu and all others as used here; ONNX 1.15 and ONNX Runtime 1.17 know it. */
export const OPSET = 20;

/** The file format's version, that of ONNX 1.15. */
const IR_VERSION = 9n;

/**
 * The bytes of an ONNX file: the graph, with its weights in other files.
 * @param files - where each of the weights lies
 * @param metadata - what a reader is told beside the graph
 */
export function encodeModel(
  graph: OnnxGraph,
  weights: readonly TensorLayout[],
  files: readonly PlannedFile[],
  metadata: Record<string, string>,
): Uint8Array {
  const places = new Map(
    files.flatMap(({name, starts}) => [...starts].map(([tensor, start]) => [tensor, {name, start}])),
  );
  const external = weights.map((weight): TensorProto => {
    const {name, start} = places.get(weight.name)!;
    return create(TensorProtoSchema, {
      name: weight.name,
      dataType: FLOAT_TYPE[graph.dtype],
      dims: weight.shape.map(BigInt),
      dataLocation: DataLocation.EXTERNAL,
      externalData: entries({location: name, offset: String(start), length: String(byteLength(weight))}),
    });
  });
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'ztt',
    opsetImport: [{domain: '', version: BigInt(OPSET)}],
    metadataProps: entries(metadata),
    graph: create(GraphProtoSchema, {
      name: 'decoder',
      node: graph.nodes,
      input: graph.inputs,
      output: graph.outputs,
      initializer: [...graph.constants, ...external],
    }),
  });
  return toBinary(ModelProtoSchema, model);
}

const entries = (record: Record<string, string>) =>
  Object.entries(record).map(([key, value]) => ({key, value}));

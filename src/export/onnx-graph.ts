import {create} from '@bufbuild/protobuf';
import {fromFloat32, type FloatDtype} from '../checkpoint/index.js';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx_pb.js';

/** The dtypes a graph computes in. */
export type GraphDtype = Extract<FloatDtype, 'F32' | 'F16'>;

/** ONNX's number for a graph's dtype. */
export const FLOAT_TYPE = {F32: DataType.FLOAT, F16: DataType.FLOAT16} as const satisfies Record<
  GraphDtype,
  DataType
>;

/** A parameter, or some rows of one, that a graph has as an initializer. */
export interface Initializer {
  name: string;
  shape: readonly number[];
  /** The parameter's name in our checkpoints. */
  parameter: string;
  /** The parameter's element that it begins with. */
  from: number;
}

/** A number that is no integer, as an attribute. */
export interface Real {
  real: number;
}

type Attributes = Record<string, number | readonly number[] | string | Real>;

/** Dimensions by their size, or by a name where they differ from run to run. */
type Dimensions = readonly (number | string)[];

/** An ONNX graph that grows node by node. A value is known by its name. */
export class OnnxGraph {
  readonly nodes: NodeProto[] = [];
  readonly inputs: ValueInfoProto[] = [];
  readonly outputs: ValueInfoProto[] = [];
  /** By name. Each is stored once, however many nodes use it. */
  readonly initializers = new Map<string, Initializer>();
  private readonly constantsByName = new Map<string, TensorProto>();
  /** What the names of new values begin with. */
  scope = '';

  constructor(readonly dtype: GraphDtype) {}

  /** Small tensors that are part of the graph itself. */
  get constants(): TensorProto[] {
    return [...this.constantsByName.values()];
  }

  input(name: string, type: DataType, shape: Dimensions): string {
    this.inputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Declares a value that some node gives as an output of the graph. */
  output(name: string, type: DataType, shape: Dimensions): void {
    this.outputs.push(valueInfo(name, type, shape));
  }

  /** Adds a node of one output, and gives the output's name. */
  add(op: string, inputs: readonly string[], attributes: Attributes = {}, name?: string): string {
    return this.addMany(op, inputs, attributes, [name ?? this.newName(op)])[0]!;
  }

  /** Adds a node of several outputs. */
  addMany(op: string, inputs: readonly string[], attributes: Attributes, outputs: string[]): string[] {
    this.nodes.push(
      create(NodeProtoSchema, {
        name: this.newName(op),
        opType: op,
        input: [...inputs],
        output: outputs,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
    return outputs;
  }

  /** An initializer, by its name. */
  initializer(initializer: Initializer): string {
    this.initializers.set(initializer.name, initializer);
    return initializer.name;
  }

  /** A vector of integers. */
  ints(...values: number[]): string {
    return this.constant(`ints_${values.join('_')}`, DataType.INT64, [values.length], int64Bytes(values));
  }

  /** One integer, of no dimension. */
  int(value: number): string {
    return this.constant(`int_${value}`, DataType.INT64, [], int64Bytes([value]));
  }

  /** A number in the graph's dtype, of no dimension; or as many of it as `length` says, as a vector. */
  real(value: number, length?: number): string {
    const bytes = fromFloat32(new Float32Array(length ?? 1).fill(value), this.dtype);
    const name = length === undefined ? `real_${value}` : `reals_${value}_${length}`;
    return this.constant(name, FLOAT_TYPE[this.dtype], length === undefined ? [] : [length], bytes);
  }

  private constant(name: string, dataType: DataType, shape: readonly number[], rawData: Uint8Array): string {
    if (!this.constantsByName.has(name)) {
      this.constantsByName.set(
        name,
        create(TensorProtoSchema, {name, dataType, dims: shape.map(BigInt), rawData}),
      );
    }
    return name;
  }

  private newName(op: string): string {
    return `${this.scope}${op}_${this.nodes.length}`;
  }
}

function attribute(name: string, value: Attributes[string]): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, {name, type: AttributeType.INT, i: BigInt(value)});
  }
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  return create(
    AttributeProtoSchema,
    'real' in value
      ? {name, type: AttributeType.FLOAT, f: value.real}
      : {name, type: AttributeType.INTS, ints: value.map(BigInt)},
  );
}

function valueInfo(name: string, elemType: DataType, shape: Dimensions): ValueInfoProto {
  const dim = shape.map((size) => ({
    value:
      typeof size === 'number'
        ? {case: 'dimValue' as const, value: BigInt(size)}
        : {case: 'dimParam' as const, value: size},
  }));
  const tensor = create(TypeProto_TensorSchema, {elemType, shape: create(TensorShapeProtoSchema, {dim})});
  const type = create(TypeProtoSchema, {value: {case: 'tensorType', value: tensor}});
  return create(ValueInfoProtoSchema, {name, type});
}

const int64Bytes = (values: readonly number[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values, BigInt).buffer);

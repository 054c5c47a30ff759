import type {KernelBackend, Tensor, TensorInfo} from '@tensorflow/tfjs-core';

/** An attribute of one of TensorFlow's operations. */
export interface Attribute {
  name: string;
  /** One of the binding's TF_ATTR_. */
  type: number;
  value: unknown;
}

/** A result as the binding gives it. */
export interface Result {
  /** Its handle in the binding, to be deleted by whoever asked for it. */
  id: number;
}

/** tfjs-node's addon, as far as it is used. */
export interface Binding {
  TF_Version: string;
  TF_FLOAT: number;
  TF_INT32: number;
  TF_ATTR_TYPE: number;
  TF_ATTR_SHAPE: number;
  TF_ATTR_STRING: number;
  /** @returns its handle */
  createTensor: (shape: number[], type: number, values: Float32Array) => number;
  /** Runs one of TensorFlow's operations (tensorflow.org/api_docs/python/tf/raw_ops) on handles. */
  executeOp: (name: string, attributes: Attribute[], inputs: number[], outputs: number) => Result[];
  deleteTensor(id: number): void;
}

/** tfjs-node's backend, as far as it is used. */
export interface TensorflowBackend extends KernelBackend {
  isUsingGpuDevice: boolean;
  binding: Binding;
  /** What is known of a tensor; its `id` is its handle in the binding. */
  tensorMap: {get(dataId: TensorInfo['dataId']): {id: number}};
  /** The handles of tensors; what has lain in JavaScript's memory until now goes to the device. */
  getInputTensorIds(tensors: TensorInfo[]): number[];
  executeMultipleOutputs(
    name: string,
    attributes: Attribute[],
    inputs: TensorInfo[],
    outputs: number,
  ): Tensor[];
}

/** An attribute that names a type. */
export const typeAttribute = ({TF_ATTR_TYPE}: Binding, name: string, value: number): Attribute => ({
  name,
  type: TF_ATTR_TYPE,
  value,
});

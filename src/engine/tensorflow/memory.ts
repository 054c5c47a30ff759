import * as tf from '@tensorflow/tfjs-core';
import {EngineError} from '../../errors.js';
import type {Binding} from './backend.js';

/** TF_RESOURCE_EXHAUSTED, and what a copy to a GPU says that has no room for it. */
const OUT_OF_MEMORY = /^Invalid TF_Status: 8\b|Dst tensor is not initialized/;
const SHAPE = /tensor with shape ?\[([\d,]*)\] and type (\w+)/;
const BYTES: Record<string, number> = {bool: 1, uint8: 1, half: 2, float: 4, int32: 4, int64: 8};

/**
 * The binding, telling in words when TensorFlow is out of memory.
 * @param memory - the device's, in bytes, if that is known
 */
export function explainMemory(binding: Binding, device: string, memory: number | undefined): Binding {
  const explained = <A extends unknown[], R>(call: (...given: A) => R) => ({
    value: (...given: A): R => {
      try {
        return call(...given);
      } catch (error) {
        const {message} = error as Error;
        if (!OUT_OF_MEMORY.test(message)) throw error;
        throw new EngineError(outOfMemory(message, device, memory), {cause: error});
      }
    },
  });
  // The addon's own properties cannot be written.
  return Object.create(binding, {
    executeOp: explained(binding.executeOp),
    createTensor: explained(binding.createTensor),
  }) as Binding;
}

/** What to tell of TensorFlow's own message. */
function outOfMemory(message: string, device: string, memory: number | undefined): string {
  const [, shape, type] = SHAPE.exec(message) ?? [];
  const inUse = tf.memory().numBytes;
  const wanted = shape === undefined ? undefined : bytesOf(shape, type!);
  const tensor = wanted === undefined ? 'a tensor' : `a tensor [${shape}] of ${gigabytes(wanted)}`;
  const missing =
    memory !== undefined && wanted !== undefined && inUse + wanted > memory
      ? `: ${gigabytes(inUse + wanted - memory)} more than the ${gigabytes(memory)} there are`
      : '';
  return (
    `engine tensorflow is out of memory on ${device}: ${tensor} does not fit beside the ${gigabytes(inUse)} in use` +
    `${missing}. A smaller --batch-size or --seq-len needs less, and so does finetune's --checkpoint-cycles.`
  );
}

const bytesOf = (shape: string, type: string): number =>
  shape.split(',').reduce((bytes, size) => bytes * Number(size || 1), BYTES[type] ?? 4);

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

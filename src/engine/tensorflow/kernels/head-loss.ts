import * as tf from '@tensorflow/tfjs-core';
import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {Kernels} from '../../contract.js';
import {present} from '../../register.js';
import {typeAttribute, type TensorflowBackend} from '../backend.js';

// Shapes: N rows, D width, V vocabulary; n rows at a time.

/** Logits computed at a time, at most, and rows at least: the gradient by the weight is added up once each time. */
const LOGITS = 1 << 25;
const ROWS = 64;

type HeadLoss = Kernels<TensorInfo>['ZttHeadLoss'];

/** The kernel's inputs: tensors, as tfjs hands them to every kernel. */
interface HeadInputs {
  state: tf.Tensor2D;
  weight: tf.Tensor2D;
  targets: tf.Tensor1D;
  weights: tf.Tensor1D;
}

/**
 * The cross-entropy of the LM head's logits, and its gradients: logits and their gradient are only ever there for some
 * rows at a time.
 * @returns the loss [], the gradient by the state [N, D] and the one by the weight [V, D], as far as they are wanted
 */
export function headLoss(
  given: HeadLoss['inputs'],
  wanted: HeadLoss['attributes'],
  backend: TensorflowBackend,
): HeadLoss['outputs'] {
  const inputs = given as unknown as HeadInputs;
  const [N] = inputs.state.shape;
  const [V] = inputs.weight.shape;
  const rows = Math.max(ROWS, Math.floor(LOGITS / V));
  return tf.tidy((): [tf.Tensor, tf.Tensor?, tf.Tensor?] => {
    let loss: tf.Tensor = tf.scalar(0);
    const states: tf.Tensor2D[] = [];
    let dWeight: tf.Tensor | undefined;
    for (let first = 0; first < N; first += rows) {
      const [partLoss, dState, dPart] = ofRows(inputs, first, Math.min(rows, N - first), wanted, backend);
      loss = addTo(loss, partLoss!);
      if (dState) states.push(dState as tf.Tensor2D);
      if (dPart) dWeight = dWeight ? addTo(dWeight, dPart) : dPart;
    }
    return present(loss, states.length > 0 ? tf.concat(states) : undefined, dWeight);
  });
}

/** The share of n rows: of the loss, and of the gradients that are wanted. */
function ofRows(
  {state, weight, targets, weights}: HeadInputs,
  first: number,
  n: number,
  {gradient, weightGradient}: HeadLoss['attributes'],
  backend: TensorflowBackend,
): tf.Tensor[] {
  return tf.tidy(() => {
    const part = tf.slice(state, first, n);
    const [losses, dLogits] = softmaxCrossEntropy(
      tf.matMul(part, weight, false, true),
      tf.slice(targets, first, n),
      backend,
    );
    const shares = tf.slice(weights, first, n);
    const loss = tf.sum(tf.mul(losses, shares));
    if (!gradient) return [loss];
    const scaled = tf.mul(dLogits, tf.reshape(shares, [-1, 1]));
    const dState = tf.matMul(scaled, weight);
    return weightGradient ? [loss, dState, tf.matMul(scaled, part, true, false)] : [loss, dState];
  });
}

/** Each row's loss [n], and its gradient by the row's logits [n, V]: one of TensorFlow's own kernels. */
function softmaxCrossEntropy(
  logits: tf.Tensor,
  targets: tf.Tensor1D,
  backend: TensorflowBackend,
): [tf.Tensor, tf.Tensor] {
  const {binding} = backend;
  const attributes = [
    typeAttribute(binding, 'T', binding.TF_FLOAT),
    typeAttribute(binding, 'Tlabels', binding.TF_INT32),
  ];
  const name = 'SparseSoftmaxCrossEntropyWithLogits';
  return backend.executeMultipleOutputs(name, attributes, [logits, targets], 2) as [tf.Tensor, tf.Tensor];
}

/** Their sum, in the place of both. */
function addTo(sum: tf.Tensor, x: tf.Tensor): tf.Tensor {
  const next = tf.add(sum, x);
  tf.dispose([sum, x]);
  return next;
}

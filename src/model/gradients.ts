import * as tf from '@tensorflow/tfjs-core';
import {addGradients, reshape, type TeacherHead} from '../ops/index.js';
import type {HookFor, Network} from './network.js';
import {targetsOf, type LossMask, type Targets} from './targets.js';

// Shapes: B batch, T tokens, D width.

export interface GradientOptions {
  /** Which tokens count as targets; all unless given. */
  lossMask?: LossMask;
  /** How many targets the mean is over, where the batch is a part of a larger one; its own unless given. */
  targets?: number;
  /** Mixes the divergence from a teacher, given its last states of the same ids, into the loss. */
  teacher?: TeacherHead;
  /** What is done to the branches of each stretch, for dropout. */
  hookFor?: HookFor;
  /**
   * Keep the hidden state between stretches (head, each cycle, tail) and nothing else, and compute a stretch again
   * for its gradient: memory for one cycle, whatever their number, for one more forward pass (Chen et al., arXiv
   * 1604.06174).
   */
  checkpointCycles?: boolean;
}

export interface LossGradients {
  loss: tf.Scalar;
  /** By parameter. */
  gradients: Map<string, tf.Tensor>;
}

/**
 * The mean cross-entropy over the batch's targets, in nats; without a mask, over all B (T - 1) next tokens. Call it
 * inside `tf.tidy`.
 * @param ids - [B, T] int32
 */
export function nextTokenLoss(
  network: Network,
  ids: tf.Tensor2D,
  {hookFor, lossMask, targets, teacher}: GradientOptions = {},
): tf.Scalar {
  let x: tf.Tensor3D | null = null;
  for (const stretch of network.stretches(ids, hookFor)) x = stretch(x);
  return lossOf(network, x!, targetsOf(ids, lossMask, targets), teacher);
}

/** The loss from the last hidden state [B, T, D]. */
function lossOf(
  network: Network,
  hidden: tf.Tensor3D,
  {next, weights}: Targets,
  teacher?: TeacherHead,
): tf.Scalar {
  const [B, T, D] = hidden.shape;
  const states = reshape<tf.Tensor2D>(hidden, [B * T, D]);
  return teacher
    ? network.distillationLoss(states, next, weights, teacher)
    : network.loss(states, next, weights);
}

/** `nextTokenLoss` and its gradient by every parameter. */
export function lossGradients(
  network: Network,
  ids: tf.Tensor2D,
  options: GradientOptions = {},
): LossGradients {
  if (options.checkpointCycles) return checkpointed(network, ids, options);
  const parameters = network.weights.trained();
  const {value, grads} = tf.variableGrads(
    () => nextTokenLoss(network, ids, options),
    parameters.map(([, variable]) => variable),
  );
  return {
    loss: value,
    gradients: new Map(parameters.map(([name, variable]) => [name, grads[variable.name]!])),
  };
}

/** One stretch after another, backwards, each from the hidden state before it. */
function checkpointed(
  network: Network,
  ids: tf.Tensor2D,
  {hookFor, lossMask, targets, teacher}: GradientOptions,
): LossGradients {
  const stretches = network.stretches(ids, hookFor);
  // before[i] is the hidden state that stretch i takes.
  const before: (tf.Tensor3D | null)[] = [null];
  for (const stretch of stretches.slice(0, -1)) before.push(tf.tidy(() => stretch(before.at(-1)!)));
  const gradients = new Map<string, tf.Tensor>();
  const last = stretches.length - 1;
  const end = backward(
    network,
    () => lossOf(network, stretches[last]!(before[last]!), targetsOf(ids, lossMask, targets), teacher),
    before[last]!,
    null,
  );
  addGradients(gradients, end.gradients);
  let {dx} = end;
  for (let i = last - 1; i >= 0; i--) {
    const stretch = backward(network, () => stretches[i]!(before[i]!), before[i]!, dx);
    addGradients(gradients, stretch.gradients);
    tf.dispose([stretch.value, dx!]);
    ({dx} = stretch);
  }
  tf.dispose(before.slice(1) as tf.Tensor3D[]);
  return {loss: end.value as tf.Scalar, gradients};
}

/** Runs a stretch with a tape: its value, and the gradients of the parameters it uses and of its input x. */
function backward(network: Network, run: () => tf.Tensor, x: tf.Tensor3D | null, dy: tf.Tensor3D | null) {
  const parameters = network.weights.trained();
  const wanted = [...(x ? [x] : []), ...parameters.map(([, variable]) => variable)];
  const {value, grads} = tf.engine().gradients(run, wanted, dy ?? undefined, true);
  const byParameter = (x ? grads.slice(1) : grads) as (tf.Tensor | null | undefined)[];
  const gradients = parameters.flatMap(([name], i): [string, tf.Tensor][] => {
    const gradient = byParameter[i];
    return gradient ? [[name, gradient]] : [];
  });
  return {value, gradients, dx: x ? (grads[0] as tf.Tensor3D) : null};
}

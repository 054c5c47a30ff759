import * as tf from '@tensorflow/tfjs-core';
import {add, addGradients, reshape, withGradient, type TeacherHead} from '../../ops/index.js';
import {ExitCosts, type ExitMeasure, type ExitObjective} from './exit-objective.js';
import type {Network} from '../network.js';
import {MixedDepths, type RowExits} from './mixed-depths.js';
import type {PassOptions, Stretch} from './stretches.js';
import {targetsOf, type LossMask, type Targets} from './targets.js';

// Shapes: B batch, T tokens, D width.

export interface GradientOptions extends Omit<PassOptions, 'depths'> {
  /** For each row which of its tokens leave the cycles early, as exits by token let them; null for none of a row's. */
  mixedDepths?: readonly (RowExits | null)[];
  /** Which tokens count as targets; all unless given. */
  lossMask?: LossMask;
  /** How many targets the mean is over, where the batch is a part of a larger one; its own unless given. */
  targets?: number;
  /** Mixes the divergence from a teacher, given its last states of the same ids, into the loss at full depth. */
  teacher?: TeacherHead;
  /** What the loss after an exit at the end of each cycle but the last counts beside that at full depth; 0 for none. */
  exitLossWeight?: number;
  /** Teaches zero attention to say what an exit costs, where there are zero tokens. */
  exits?: ExitObjective;
  /**
   * Keep the hidden state between stretches (head, each cycle, tail) and nothing else, and compute a stretch again
   * for its gradient: memory for one cycle, whatever their number, for one more forward pass (Chen et al., arXiv
   * 1604.06174).
   */
  checkpointCycles?: boolean;
}

export interface LossGradients {
  /** The next-token loss at the depth that ran, which is one part of what the gradients are of. */
  loss: tf.Scalar;
  /** By parameter. */
  gradients: Map<string, tf.Tensor>;
  /** What `exits` found, by slot. */
  exits: ExitMeasure[];
}

/**
 * The mean cross-entropy over the batch's targets, in nats; without a mask, over all B (T - 1) next tokens. Call it
 * inside `tf.tidy`.
 * @param ids - [B, T] int32
 */
export function nextTokenLoss(network: Network, ids: tf.Tensor2D, lossMask?: LossMask): tf.Scalar {
  let x: tf.Tensor3D | null = null;
  for (const stretch of network.stretches(ids)) x = stretch.run(x);
  return lossOf(network, x!, targetsOf(ids, lossMask));
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

/** What the parts of a backward pass share. */
interface Pass {
  network: Network;
  stretches: Stretch[];
  targets: Targets;
  teacher?: TeacherHead;
  exitLossWeight: number;
  costs: ExitCosts | null;
}

/** The next-token loss, what `exitLossWeight` and `exits` add to it, and the gradient of it all by every parameter. */
export function lossGradients(
  network: Network,
  ids: tf.Tensor2D,
  options: GradientOptions = {},
): LossGradients {
  const {
    lossMask,
    targets: count,
    teacher,
    exitLossWeight = 0,
    exits,
    checkpointCycles,
    mixedDepths,
  } = options;
  const depths = mixedDepths?.some((row) => row !== null)
    ? new MixedDepths(mixedDepths, ids.shape[1], network.exitCycles(options.cycles))
    : undefined;
  const stretches = network.stretches(ids, {...options, depths});
  const targets = tf.tidy(() => ({...targetsOf(ids, lossMask, count)}));
  const tail = (x: tf.Tensor3D) => throughTail(stretches, x);
  const costs = exits ? new ExitCosts(network, targets, exits, tail, ids.shape) : null;
  const pass = {network, stretches, targets, teacher, exitLossWeight, costs};
  const result = checkpointCycles ? checkpointed(pass) : whole(pass);
  costs?.dispose();
  depths?.dispose();
  tf.dispose([targets.next, targets.weights]);
  return {...result, exits: costs ? costs.measures.sort((a, b) => a.slot - b.slot) : []};
}

/** From the hidden state of an exit to the last one. */
function throughTail(stretches: readonly Stretch[], x: tf.Tensor3D): tf.Tensor3D {
  return stretches.filter(({part}) => part === 'tail').reduce((state, {run}) => run(state), x);
}

/** Whether the loss after an exit at the end of a stretch counts. */
function exitsAfter({stretches, exitLossWeight}: Pass, {part, cycle}: Stretch): boolean {
  return exitLossWeight > 0 && part === 'middle' && stretches.some((other) => other.cycle > cycle);
}

/** The loss after an exit that leaves this hidden state, weighted. */
function exitLoss({network, stretches, targets, exitLossWeight}: Pass, x: tf.Tensor3D): tf.Scalar {
  const {next, weights} = targets;
  return lossOf(network, throughTail(stretches, x), {next, weights: tf.mul(weights, exitLossWeight)});
}

/** All at once: every activation is kept. */
function whole(pass: Pass) {
  const {network, stretches, targets, teacher, costs} = pass;
  let loss: tf.Scalar;
  const {value, gradients} = backward(
    network,
    () => {
      const zeros = new Map<number, tf.Tensor3D>();
      const terms: tf.Scalar[] = [];
      let x: tf.Tensor3D | null = null;
      for (const stretch of stretches) {
        x = stretch.run(x, (slot) => {
          if (!costs?.looksAt(slot)) return;
          costs.observe(slot);
          zeros.set(slot.index, slot.zero());
        });
        if (exitsAfter(pass, stretch)) terms.push(exitLoss(pass, x));
      }
      const full = lossOf(network, x!, targets, teacher);
      loss = tf.keep(full.clone());
      costs?.compare(x!);
      for (const [slot, zero] of zeros) terms.push(costs!.loss(slot, zero));
      return terms.reduce((sum, term) => add(sum, term), full);
    },
    null,
  );
  value.dispose();
  return {loss: loss!, gradients: new Map(gradients)};
}

/** One stretch after another, backwards, each from the hidden state before it. */
function checkpointed(pass: Pass) {
  const {network, stretches, targets, teacher, costs} = pass;
  const states = forward(pass);
  const gradients = new Map<string, tf.Tensor>();
  let loss: tf.Scalar;
  // The gradient by the hidden state after the stretch.
  let dy: tf.Tensor3D | null = null;
  for (const [i, stretch] of [...stretches.entries()].reverse()) {
    if (dy && exitsAfter(pass, stretch)) {
      const after = states[i + 1]!;
      const exit = backward(network, () => exitLoss(pass, after), after);
      addGradients(gradients, exit.gradients);
      const sum: tf.Tensor3D = tf.add(dy, exit.dx!);
      tf.dispose([exit.value, exit.dx!, dy]);
      dy = sum;
    }
    const x = states[i]!;
    const step = backward(
      network,
      () => {
        const terms: tf.Scalar[] = [];
        const y = stretch.run(x, (slot) => {
          if (costs?.looksAt(slot)) terms.push(costs.loss(slot.index, slot.zero()));
        });
        const rest = dy ? withGradient(y, dy) : lossOf(network, y, targets, teacher);
        if (!dy) loss = tf.keep(rest.clone());
        return terms.reduce((sum, term) => add(sum, term), rest);
      },
      x,
    );
    addGradients(gradients, step.gradients);
    tf.dispose([step.value, ...(dy ? [dy] : [])]);
    dy = step.dx;
  }
  tf.dispose(states.slice(1) as tf.Tensor3D[]);
  return {loss: loss!, gradients};
}

/** The hidden state before each stretch; the first has none. What the costs of exits need is observed on the way. */
function forward({stretches, costs}: Pass): (tf.Tensor3D | null)[] {
  const states: (tf.Tensor3D | null)[] = [null];
  const run = (stretch: Stretch) =>
    tf.tidy(() =>
      stretch.run(states.at(-1)!, (slot) => {
        if (costs?.looksAt(slot)) costs.observe(slot);
      }),
    );
  for (const stretch of stretches.slice(0, -1)) states.push(run(stretch));
  if (costs) {
    const last = run(stretches.at(-1)!);
    costs.compare(last);
    last.dispose();
  }
  return states;
}

/** Runs something with a tape: its value, and the gradients of the parameters it uses and of its input x. */
function backward(network: Network, run: () => tf.Scalar, x: tf.Tensor3D | null) {
  const parameters = network.weights.trained();
  const wanted = [...(x ? [x] : []), ...parameters.map(([, variable]) => variable)];
  const {value, grads} = tf.engine().gradients(run, wanted, undefined, true);
  const byParameter = (x ? grads.slice(1) : grads) as (tf.Tensor | null | undefined)[];
  const gradients = parameters.flatMap(([name], i): [string, tf.Tensor][] => {
    const gradient = byParameter[i];
    return gradient ? [[name, gradient]] : [];
  });
  return {value, gradients, dx: x ? (grads[0] as tf.Tensor3D) : null};
}

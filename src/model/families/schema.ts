import {z} from 'zod';
import type {Activation} from '../architecture.js';

// Keys that configs of several families have.

/** A size in a config: bounded, so that a hostile one cannot make us allocate or loop without end. */
export const count = z.number().int().min(1).max(10_000_000);

/** A number of layers: every layer makes objects, so its bound is tighter. */
export const layerCount = z.number().int().min(1).max(10_000);

/** A boolean key that may be absent or null. */
export const flag = (fallback: boolean) =>
  z
    .boolean()
    .nullish()
    .transform((value) => value ?? fallback);

/** A token, perhaps none. */
export const tokenId = z.number().int().nonnegative().nullish();

/** The standard deviation of a new model's values; 0.02 unless given, as in Transformers. */
export const initialStd = z.number().positive().default(0.02);

/** Config names of the activations, and what they compute. */
const ACTIVATIONS: Record<string, Activation> = {
  gelu_new: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_accurate: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  gelu_python_tanh: 'gelu_new',
  gelu: 'gelu',
  gelu_python: 'gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};

/** The name of an activation that ztt computes. */
export const activationName = z.string().transform((name, context): Activation => {
  if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name]!;
  context.addIssue(
    `the activation ${JSON.stringify(name)} is not supported; ${Object.keys(ACTIVATIONS).join(', ')} are`,
  );
  return z.NEVER;
});

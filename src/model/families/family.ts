import {z} from 'zod';
import type {Activation, Architecture} from '../architecture.js';

/** A source family: how its config reads and how its checkpoints name their tensors. */
export interface Family<Name extends Architecture['family'] = Architecture['family']> {
  name: Name;
  /** What the config must hold; other keys are kept in `base_config` but not needed. */
  schema: z.ZodType;
  /** The network that a config of this family describes. @throws ZodError where the config does not fit. */
  architecture(config: unknown): Architecture;
  /** What tensor names may begin with, longest first; '' where a checkpoint has bare names. */
  prefixes: string[];
  /** What precedes a layer's index, after the prefix. */
  layerPrefix: string;
  /** The config key that counts the layers. */
  layersKey: string;
  /** Stored tensors that are no parameters of the language model and are dropped. */
  leftOut: LeftOut[];
}

/** Tensors that are left out of a checkpoint on purpose. */
export interface LeftOut {
  /** Their names after the prefix. */
  names: RegExp;
  /** What they are, in words: a buffer, or the head of another task. */
  what: string;
}

/** The second head of TRL's models for reinforcement learning, of either family. */
export const VALUE_HEAD: LeftOut = {
  names: /^v_head\.summary\.(weight|bias)$/,
  what: "the head of another task: TRL's estimate of a text's value",
};

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

export const tokenId = z.number().int().nonnegative().nullish();

/** Config names of the activations, and what they compute. `gelu_new` is the tanh form that GPT-2 was trained with. */
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

export const activationName = z.string().transform((name, context): Activation => {
  if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name]!;
  context.addIssue(
    `the activation ${JSON.stringify(name)} is not supported; ${Object.keys(ACTIVATIONS).join(', ')} are`,
  );
  return z.NEVER;
});

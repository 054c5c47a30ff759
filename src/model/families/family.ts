import type {z} from 'zod';
import type {Architecture} from '../architecture.js';

/** A source family: how its configs read, how its checkpoints name their tensors, and all else that is its own. */
export interface Family {
  /** Its configs' `model_type`. */
  name: string;
  /** What people call it. */
  title: string;
  /** What the names of its classes in Transformers begin with. */
  classPrefix: string;
  /** Reads the network that a config describes. Keys that it does not know are kept in `base_config`. */
  architecture: z.ZodType<Architecture>;
  /** What tensor names may begin with, longest first; '' where a checkpoint has bare names. */
  prefixes: string[];
  /** What precedes a layer's index, after the prefix. */
  layerPrefix: string;
  /** Stored tensors that are no parameters of the language model and are dropped. */
  leftOut: LeftOut[];
  /**
   * The config of a plain model that has these layers of the one that `config` describes, in this order. Where they are
   * not all of them in their order, its attention scales are not divided by the layer.
   */
  withLayers(config: Record<string, unknown>, layers: readonly number[]): Record<string, unknown>;
  /** Reads what Transformers begins a model of a config with. */
  initialValues: z.ZodType<InitialValues>;
}

/** Tensors that are left out of a checkpoint on purpose. */
export interface LeftOut {
  /** Their names after the prefix. */
  names: RegExp;
  /** What they are, in words: a buffer, or the head of another task. */
  what: string;
}

/** What a new model begins with: biases are 0, norms are 1, all else is N(0, std^2). */
export interface InitialValues {
  /** The standard deviation of matrices and embeddings. */
  std: number;
  /** That of the maps onto the residual stream: the output of attention, and of the feed-forward network. */
  residualStd: number;
  /** The token embedding's row that is zeros, or null. */
  paddingRow: number | null;
}

/** The second head of TRL's models for reinforcement learning, of any family. */
export const VALUE_HEAD: LeftOut = {
  names: /^v_head\.summary\.(weight|bias)$/,
  what: "the head of another task: TRL's estimate of a text's value",
};

/** Whether these are all layers of a model, in their order. */
export const isEveryLayer = (layers: readonly number[], count: number): boolean =>
  layers.length === count && layers.every((layer, i) => layer === i);

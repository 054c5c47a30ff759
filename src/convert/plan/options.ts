import type {DtypeName, WeightFiles} from '../../checkpoint/index.js';
import type {ZeroInit} from '../../model/index.js';
import type {ArrangeOptions} from './share.js';

/** Where a source comes from, if not from a folder of its name. */
export interface Origin {
  /** A Hub repo's name. */
  name: string;
  /** Its commit. */
  revision: string | null;
}

/** What decides what a conversion gives. */
export interface PlanOptions extends ArrangeOptions {
  /** A source checkpoint: a folder, a .safetensors file beside its config.json, or files elsewhere. */
  source: string | WeightFiles;
  /** Default: the folder's name. */
  origin?: Origin;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** Replace a model that lies at `output` already, once the new one is whole. */
  force?: boolean;
  /** Cast the source's parameters; unless given, their bytes stay as they are. Zero keys are always float32. */
  dtype?: DtypeName;
  /** A shard's limit in bytes of tensors. */
  maxShardBytes?: number;
  /** How the zero keys begin. */
  zeroInit?: ZeroInit;
  /** Minus the zero logit of `aligned` zero keys where a query is its bias. */
  zeroInitBeta?: number;
  /** Seed of `normal` zero keys. */
  seed?: number;
}

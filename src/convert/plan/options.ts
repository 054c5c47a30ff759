import {DTYPE_NAMES, type DtypeName, type WeightFiles} from '../../checkpoint/index.js';
import {requireReal, requireWhole, UsageError} from '../../errors.js';
import {LAYOUTS, SHARES, ZERO_INITS, type ZeroInit} from '../../model/index.js';
import type {ArrangeOptions} from './share.js';

/** The dtypes that a conversion can cast to, by PyTorch's names. */
export const CAST_DTYPES: readonly DtypeName[] = Object.values(DTYPE_NAMES);

/** How a conversion proves itself: not at all, by every tensor's bytes, or by the model's predictions as well. */
export const VERIFY_LEVELS = ['none', 'bytes', 'logits'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

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
  /** Cast the source's parameters; default: their bytes stay as they are. Zero keys are always float32. */
  dtype?: DtypeName;
  /** A shard's limit in bytes of tensors; default 5 GB. */
  maxShardBytes?: number;
  /** How the zero keys begin; default `normal`. */
  zeroInit?: ZeroInit;
  /** Minus the zero logit of `aligned` zero keys where a query is its bias; default 4. */
  zeroInitBeta?: number;
  /** Seed of `normal` zero keys; default 0. */
  seed?: number;
}

/** @throws UsageError naming the option, its value and what it may be */
export function checkOptions(options: PlanOptions & {verify?: VerifyLevel}): void {
  const {layout = 'ztt', share = 'keep', zeroInit = 'normal', seed = 0, maxShardBytes, verify} = options;
  const check = (option: string, value: string | undefined, known: readonly string[]) => {
    if (value !== undefined && !known.includes(value)) {
      throw new UsageError(`there is no ${option} ${JSON.stringify(value)}; there are ${known.join(', ')}.`);
    }
  };
  check('layout', layout, LAYOUTS);
  check('share', share, SHARES);
  check('zero-init', zeroInit, ZERO_INITS);
  check('dtype', options.dtype, CAST_DTYPES);
  check('verify', verify, VERIFY_LEVELS);
  if (!Number.isSafeInteger(seed)) throw new UsageError(`seed is ${seed}; it must be a whole number.`);
  const {zeroInitBeta: beta} = options;
  if (beta !== undefined) {
    requireReal('zero-init-beta', beta, beta > 0 && beta <= 1000, 'above 0 and at most 1000');
    if (zeroInit !== 'aligned') {
      throw new UsageError(`zero-init-beta goes with zero-init aligned; zero-init is ${zeroInit}.`);
    }
  }
  checkShardSize(maxShardBytes);
}

/** @throws UsageError if a shard's limit is no number of bytes */
export function checkShardSize(maxShardBytes: number | undefined): void {
  if (maxShardBytes !== undefined) {
    requireWhole('max-shard-size', maxShardBytes, 1, Number.MAX_SAFE_INTEGER);
  }
}

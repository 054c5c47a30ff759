import type {Option} from '../options/index.js';
import {DTYPE_NAMES, type DtypeName} from './tensors/dtype.js';

/** The dtypes that parameters can be cast to, by PyTorch's names. */
export const CAST_DTYPES = Object.values(DTYPE_NAMES) as [DtypeName, ...DtypeName[]];

/** How large a file of weights may be. */
export const MAX_SHARD_SIZE = {
  kind: 'bytes',
  key: 'maxShardBytes',
  help: 'Split the weights into files of at most this size',
  otherwise: '5GB',
} as const satisfies Option;

import {z} from 'zod';
import {parseWith} from '../../checkpoint/index.js';
import {FormatError, UnsupportedError} from '../../errors.js';
import type {Architecture} from '../architecture.js';
import type {Family} from './family.js';
import {gpt2} from './gpt2.js';
import {opt} from './opt.js';

export type {Family} from './family.js';

const FAMILIES: Record<Architecture['family'], Family> = {gpt2, opt};

/** The family of an architecture. */
export const familyOf = (arch: Architecture): Family => FAMILIES[arch.family];

const anyConfig = z.looseObject({model_type: z.string(), quantization_config: z.unknown().optional()});

/**
 * The network that a source's config.json describes.
 * @param where - the file, for error messages
 * @throws UnsupportedError for another family or a quantized model; FormatError for values that do not fit.
 */
export function parseArchitecture(config: unknown, where: string): Architecture {
  const {model_type: type, quantization_config: quantization} = parseWith(anyConfig, config, where);
  if (!Object.hasOwn(FAMILIES, type)) {
    throw new UnsupportedError(
      `${where}: model_type ${JSON.stringify(type)} is not supported; GPT-2 ("gpt2") and OPT ("opt") checkpoints are.`,
    );
  }
  if (quantization !== undefined && quantization !== null) {
    throw new UnsupportedError(
      `${where}: quantized checkpoints are not supported; use the original weights.`,
    );
  }
  const family = FAMILIES[type as Architecture['family']];
  parseWith(family.schema, config, where);
  const arch = family.architecture(config);
  if (arch.width % arch.heads !== 0) {
    throw new FormatError(`${where}: the width ${arch.width} is no multiple of the ${arch.heads} heads.`);
  }
  return arch;
}

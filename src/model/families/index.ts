import {z} from 'zod';
import {parseWith} from '../../files/index.js';
import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import type {Architecture} from '../architecture.js';
import type {Family} from './family.js';
import {gpt2} from './gpt2.js';
import {opt} from './opt.js';

export type {Family} from './family.js';

const FAMILIES: Record<Architecture['family'], Family> = {gpt2, opt};

/** The family of an architecture. */
export const familyOf = (arch: Architecture): Family => FAMILIES[arch.family];

const anyConfig = z.looseObject({
  model_type: z.string().nullish(),
  architectures: z.array(z.string()).nullish(),
  quantization_config: z.unknown().optional(),
});

/** Models of our families whose head is no language model's. */
const OTHER_TASK =
  /^(GPT2|OPT).*For(SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice)$/;

/**
 * The network that a source's config.json describes.
 * @param where - the file, for error messages
 * @throws UnsupportedError for another family, another task or a quantized model; FormatError for values that do
 *   not fit.
 */
export function parseArchitecture(config: unknown, where: string): Architecture {
  const {
    model_type: type,
    architectures,
    quantization_config: quantization,
  } = parseWith(anyConfig, config, where);
  const name = type ?? familyNamed(architectures?.[0]);
  if (name === undefined) {
    throw new FormatError(
      `${where} at model_type: it is missing; "gpt2" or "opt" say which network this is.`,
    );
  }
  if (!isFamily(name)) {
    throw new UnsupportedError(
      `${where}: model_type ${quoted(name)} is not supported; GPT-2 ("gpt2") and OPT ("opt") checkpoints are.`,
    );
  }
  const other = architectures?.find((architecture) => OTHER_TASK.test(architecture));
  if (other !== undefined) {
    throw new UnsupportedError(
      `${where}: ${quoted(other)} is no language model; use the model that it was made from.`,
    );
  }
  if (quantization !== undefined && quantization !== null) {
    throw new UnsupportedError(
      `${where}: quantized checkpoints are not supported; use the original weights.`,
    );
  }
  const family = FAMILIES[name];
  parseWith(family.schema, config, where);
  const arch = family.architecture(config);
  if (arch.width % arch.heads !== 0) {
    throw new FormatError(`${where}: the width ${arch.width} is no multiple of the ${arch.heads} heads.`);
  }
  return arch;
}

const isFamily = (name: string): name is Architecture['family'] => Object.hasOwn(FAMILIES, name);

/** The family of a class of Transformers, for configs from before there was a model_type. */
function familyNamed(architecture = ''): Architecture['family'] | undefined {
  if (architecture.startsWith('GPT2')) return 'gpt2';
  return architecture.startsWith('OPT') ? 'opt' : undefined;
}

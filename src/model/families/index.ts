import {z} from 'zod';
import {parseWith} from '../../files/index.js';
import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import type {Architecture} from '../architecture.js';
import type {Family} from './family.js';
import {gpt2} from './gpt2.js';
import {llama} from './llama.js';
import {mistral} from './mistral.js';
import {opt} from './opt.js';
import {qwen2} from './qwen2.js';
import {qwen3} from './qwen3.js';
import {smollm3} from './smollm3.js';

export type {Family, InitialValues} from './family.js';
export {gpt2OfSizes, type Gpt2Sizes} from './gpt2.js';

/** The families that ztt reads. */
const FAMILIES: readonly Family[] = [gpt2, opt, llama, mistral, qwen2, qwen3, smollm3];

const BY_NAME = new Map(FAMILIES.map((family) => [family.name, family]));

/** The family of this name. @throws FormatError if there is none */
export function familyNamed(name: string): Family {
  const family = BY_NAME.get(name);
  if (!family) throw new FormatError(`there is no family ${quoted(name)}.`);
  return family;
}

/** The family of an architecture. */
export const familyOf = ({family}: Architecture): Family => familyNamed(family);

const anyConfig = z.looseObject({
  model_type: z.string().nullish(),
  architectures: z.array(z.string()).nullish(),
  quantization_config: z.unknown().optional(),
});

/** Models of our families whose head is no language model's. */
const OTHER_TASK = new RegExp(
  `^(${FAMILIES.map(({classPrefix}) => classPrefix).join('|')}).*For(SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice)$`,
);

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
  const name = type ?? familyOfClass(architectures?.[0])?.name;
  if (name === undefined) {
    const names = FAMILIES.map((family) => `"${family.name}"`);
    throw new FormatError(
      `${where} at model_type: it is missing; ${listed(names, 'or')} say which network this is.`,
    );
  }
  const family = BY_NAME.get(name);
  if (!family) {
    const known = FAMILIES.map((each) => `${each.title} ("${each.name}")`);
    throw new UnsupportedError(
      `${where}: model_type ${quoted(name)} is not supported; ${listed(known, 'and')} checkpoints are.`,
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
  const arch = parseWith(family.architecture, config, where);
  if (!Number.isInteger(arch.headSize)) {
    throw new FormatError(`${where}: the width ${arch.width} is no multiple of the ${arch.heads} heads.`);
  }
  return arch;
}

/** The family of a class of Transformers, for configs from before there was a model_type. */
const familyOfClass = (architecture = ''): Family | undefined =>
  FAMILIES.find(({classPrefix}) =>
    new RegExp(`^${classPrefix}(LMHead|DoubleHeads|For|Model|PreTrained)`).test(architecture),
  );

/** For example `a, b and c`. */
const listed = (items: readonly string[], word: string): string =>
  `${items.slice(0, -1).join(', ')} ${word} ${items.at(-1)}`;

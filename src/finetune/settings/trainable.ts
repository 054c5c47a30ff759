import {UsageError} from '../../errors.js';
import {normNames, ZERO_KEYS, type Architecture} from '../../model/index.js';
import {TRAIN_PARTS, type TrainPart} from '../options.js';

/**
 * Reads what to train: parts joined by +, as `zero-tokens+norms`.
 * @throws UsageError for a part that there is not, or twice, or beside `all`
 */
export function parseTrain(train: string): TrainPart[] {
  const parts = train.split('+');
  const known = (part: string): part is TrainPart => (TRAIN_PARTS as readonly string[]).includes(part);
  const wrong = parts.find((part) => !known(part));
  if (wrong !== undefined) {
    throw new UsageError(
      `train is ${JSON.stringify(train)}; ${JSON.stringify(wrong)} is none of ${TRAIN_PARTS.join(', ')}, which + joins.`,
    );
  }
  if (new Set(parts).size < parts.length || (parts.length > 1 && parts.includes('all'))) {
    throw new UsageError(`train is ${JSON.stringify(train)}; each part goes once, and all goes alone.`);
  }
  return parts as TrainPart[];
}

/**
 * The parameters that a run trains, of all that a model has. LoRA matrices belong to `lora` alone (and `all`).
 * @throws UsageError for a part that the model has nothing of
 */
export function trainedParameters(
  train: readonly TrainPart[],
  names: Iterable<string>,
  arch: Architecture,
): Set<string> {
  const norms = normNames(arch);
  const belongs: Record<TrainPart, (name: string) => boolean> = {
    all: () => true,
    'zero-tokens': (name) => name === ZERO_KEYS,
    norms: (name) => norms.has(moduleOf(name)),
    middle: (name) => name.startsWith('middle.'),
    lora: (name) => name.startsWith('lora.'),
  };
  const all = [...names];
  const trained = train.map((part) => {
    const found = all.filter(belongs[part]);
    if (found.length === 0) throw new UsageError(`train has ${part}, and the model has none of it.`);
    return found;
  });
  return new Set(trained.flat());
}

/** The module of a parameter, without the block's place: `middle.3.ln_1.weight` is of `ln_1`. */
const moduleOf = (name: string): string =>
  name.replace(/^(head|middle|tail)\.\d+\./, '').replace(/\.(weight|bias)$/, '');

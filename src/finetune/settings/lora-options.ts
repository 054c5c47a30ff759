import {UsageError} from '../../errors.js';
import {
  blockLinears,
  type Architecture,
  type LoraPer,
  type ModelConfig,
  type NewLora,
} from '../../model/index.js';
import {checkOptions, withDefaults} from '../../options/index.js';
import {LORA_OPTIONS, TRAINED_OPTIONS} from '../options.js';
import {parseTrain} from './trainable.js';

/** The LoRA matrices that a run trains, where it trains any. */
export interface LoraSettings {
  loraRank: number;
  /** The matrices' product is multiplied by alpha / rank. */
  loraAlpha: number;
  loraPer: LoraPer;
  /** Linear maps, by the family's names. */
  loraTargets: readonly string[];
}

/** Names for several linear maps. */
const GROUPS = ['all', 'attention', 'mlp'];

/**
 * The LoRA matrices of a run that trains them, with defaults filled in: the model's own if it has any. Null for a run that
 * trains none.
 * @throws UsageError naming the option and what it may be
 */
export function loraSettings(
  options: Partial<LoraSettings> & {train?: string},
  {arch, arrangement}: Pick<ModelConfig, 'arch' | 'arrangement'>,
): LoraSettings | null {
  const trainsLora = parseTrain(options.train ?? TRAINED_OPTIONS.train.default).includes('lora');
  checkOptions({...TRAINED_OPTIONS, ...LORA_OPTIONS}, options);
  if (!trainsLora) return null;
  const {lora: own} = arrangement;
  const ofModel = own && {
    loraRank: own.rank,
    loraAlpha: own.alpha,
    loraPer: own.per,
    loraTargets: own.targets,
  };
  const settings = withDefaults(LORA_OPTIONS, options, ofModel);
  const {loraRank, loraAlpha = 2 * loraRank, loraPer, loraTargets} = settings;
  return {loraRank, loraAlpha, loraPer, loraTargets: resolveTargets(arch, loraTargets)};
}

/** The matrices that a run's model is to have, or undefined. */
export function newLora(settings: Partial<LoraSettings> & {seed: number}): NewLora | undefined {
  const {loraRank: rank, loraAlpha: alpha, loraPer: per, loraTargets: targets, seed} = settings;
  return rank && alpha && per && targets ? {rank, alpha, per, targets: [...targets], seed} : undefined;
}

/** Linear maps by group, by name, or, as in PEFT, by the end of their name. */
function resolveTargets(arch: Architecture, given: readonly string[]): string[] {
  const linears = blockLinears(arch);
  const meant = given.map((target) => {
    const found = linears.filter(
      ({name, of}) => target === 'all' || target === of || name === target || name.endsWith(`.${target}`),
    );
    if (found.length === 0) {
      const names = linears.map(({name}) => name).join(', ');
      throw new UsageError(
        `lora-targets has ${JSON.stringify(target)}; it takes ${GROUPS.join(', ')}, and of ${arch.family} ${names}.`,
      );
    }
    return found;
  });
  if (meant.length === 0) throw new UsageError('lora-targets is empty; name at least one linear map.');
  return linears.filter((linear) => meant.flat().includes(linear)).map(({name}) => name);
}

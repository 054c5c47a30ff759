import {requireWhole, UsageError} from '../../errors.js';
import {
  blockLinears,
  LORA_PER,
  MAX_LORA_RANK,
  type Architecture,
  type LoraPer,
  type ModelConfig,
  type NewLora,
} from '../../model/index.js';
import {parseTrain} from './trainable.js';

/** The LoRA matrices that a run trains, where it trains any. */
export interface LoraSettings {
  loraRank: number;
  /** The matrices' product is multiplied by alpha / rank. */
  loraAlpha: number;
  loraPer: LoraPer;
  /** Linear maps, by the family's names. */
  loraTargets: string[];
}

/** Names for several linear maps. */
const GROUPS = ['all', 'attention', 'mlp'];

/**
 * The LoRA matrices of a run that trains them, with defaults filled in: the model's own if it has any, else rank 8,
 * alpha twice the rank, the same in all cycles, on all linear maps of the blocks. Null for a run that trains none.
 * @throws UsageError naming the option and what it may be
 */
export function loraSettings(
  options: Partial<LoraSettings> & {train?: string},
  {arch, arrangement}: Pick<ModelConfig, 'arch' | 'arrangement'>,
): LoraSettings | null {
  const {loraRank, loraAlpha, loraPer, loraTargets} = options;
  if (!parseTrain(options.train ?? 'all').includes('lora')) {
    const given = Object.entries({loraRank, loraAlpha, loraPer, loraTargets}).find(
      ([, value]) => value !== undefined,
    );
    if (given) {
      const flag = given[0].replace('lora', 'lora-').toLowerCase();
      throw new UsageError(`${flag} is for LoRA matrices; use it with train lora.`);
    }
    return null;
  }
  const own = arrangement.lora;
  const rank = loraRank ?? own?.rank ?? 8;
  const settings = {
    loraRank: rank,
    loraAlpha: loraAlpha ?? own?.alpha ?? 2 * rank,
    loraPer: loraPer ?? own?.per ?? 'shared',
    loraTargets: resolveTargets(arch, loraTargets ?? own?.targets ?? ['all']),
  };
  requireWhole('lora-rank', settings.loraRank, 1, MAX_LORA_RANK);
  if (!(settings.loraAlpha > 0 && settings.loraAlpha < Infinity)) {
    throw new UsageError(`lora-alpha is ${settings.loraAlpha}; it must be above 0.`);
  }
  if (!LORA_PER.includes(settings.loraPer)) {
    throw new UsageError(
      `lora-per is ${JSON.stringify(settings.loraPer)}; it must be ${LORA_PER.join(' or ')}.`,
    );
  }
  return settings;
}

/** The matrices that a run's model is to have, or undefined. */
export function newLora(settings: Partial<LoraSettings> & {seed: number}): NewLora | undefined {
  const {loraRank: rank, loraAlpha: alpha, loraPer: per, loraTargets: targets, seed} = settings;
  return rank && alpha && per && targets ? {rank, alpha, per, targets, seed} : undefined;
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

import {UsageError} from '../../errors.js';
import {LM_HEAD, ZERO_KEYS, type Architecture} from '../../model/index.js';
import {LR_PARTS, MOST_LR_MULT, type LrPart} from '../options.js';

/**
 * Reads multipliers of the learning rate, each as `PART=X`.
 * @throws UsageError for a part that there is not, or twice, or a multiplier that is not from 0 to 1e6
 */
export function parseLrMult(entries: readonly string[]): Map<LrPart, number> {
  const multipliers = new Map<LrPart, number>();
  for (const entry of entries) {
    const [, part, text] = /^([^=]*)=(.+)$/.exec(entry) ?? [];
    const value = Number(text);
    if (!isPart(part) || !(value >= 0 && value <= MOST_LR_MULT)) {
      throw new UsageError(
        `lr-mult has ${JSON.stringify(entry)}; it takes PART=X, with X from 0 to ${MOST_LR_MULT} and PART one of ${LR_PARTS.join(', ')}.`,
      );
    }
    if (multipliers.has(part)) throw new UsageError(`lr-mult has ${part} twice; give it once.`);
    multipliers.set(part, value);
  }
  return multipliers;
}

const isPart = (part: string | undefined): part is LrPart =>
  part !== undefined && (LR_PARTS as readonly string[]).includes(part);

/** The part that a parameter belongs to. */
export function lrPartOf(name: string, {lmHead}: Architecture): LrPart {
  if (name === ZERO_KEYS) return 'zero-keys';
  const block = (['head', 'middle', 'tail', 'lora'] as const).find((part) => name.startsWith(`${part}.`));
  if (block) return block;
  const output = [lmHead.norm, lmHead.projection].some((module) => name.startsWith(`${module}.`));
  return name === LM_HEAD || output ? 'output' : 'embeddings';
}

import type {ModelConfig} from './config.js';
import type {Slot} from './layout.js';

/** The factor on a slot's attention logits. Averaged layers have the source's inverse scale in their weights. */
export function attentionScale({arch, ztt}: ModelConfig, slot: Slot): number {
  const scale = arch.scaleAttention ? 1 / Math.sqrt(arch.width / arch.heads) : 1;
  const folded = slot.part === 'middle' && ztt?.share === 'average';
  return arch.inverseLayerScale && !folded ? scale / (slot.sources[0]! + 1) : scale;
}

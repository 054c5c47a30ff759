import type {EngineChoice} from '../../engine/index.js';
import {load} from '../../model/index.js';
import {meanKl, probeFor, probeLogits, type Probe} from './probe.js';

/** How far one model's predictions are from another's. */
export interface Divergence {
  /** Mean KL(before || after) a token, in nats. */
  meanNats: number;
  tokens: number;
  probe: Probe['kind'];
}

/** The mean KL divergence of two checkpoints' next-token distributions over a probe, at full depth. */
export async function divergence(before: string, after: string, engine: EngineChoice): Promise<Divergence> {
  const first = await load(before, engine);
  const V = first.config.arch.vocabulary;
  const probe = await probeFor(before, first);
  const p = await probeLogits(first, probe, before);
  first.dispose();
  const second = await load(after, engine);
  const q = await probeLogits(second, probe, after);
  second.dispose();
  return {meanNats: meanKl(p, q, V), tokens: probe.ids.length, probe: probe.kind};
}

import {hasZeroTokens, type Arrangement, type Share, type ZeroInit, type ZttConfig} from '../model/index.js';

export interface EntryOptions {
  arrangement: Arrangement;
  share: Share;
  zeroInit: ZeroInit;
  seed: number;
  source: ZttConfig['source'];
}

/** The `ztt` entry of a new model's config.json. It never exits unless told to. */
export function zttEntry({arrangement, share, zeroInit, seed, source}: EntryOptions): ZttConfig {
  return {
    version: 1,
    layout: arrangement.layout,
    head: arrangement.head,
    middle: arrangement.middleSources.length,
    tail: arrangement.tail,
    cycles: arrangement.cycles,
    share,
    middle_sources: arrangement.middleSources,
    threshold: 1,
    exit_from_cycle: 2,
    dropout: 0,
    zero_init: hasZeroTokens(arrangement.layout) ? {kind: zeroInit, seed} : null,
    source,
  };
}

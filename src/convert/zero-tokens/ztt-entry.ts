import {hasZeroTokens, type Arrangement, type Share, type ZttConfig} from '../../model/index.js';
import type {ZeroKeyInit} from './zero-keys.js';

export interface EntryOptions {
  arrangement: Arrangement;
  share: Share;
  zeroInit: ZeroKeyInit;
  source: ZttConfig['source'];
}

/** The `ztt` entry of a new model's config.json. It never exits unless told to. */
export function zttEntry({arrangement, share, zeroInit, source}: EntryOptions): ZttConfig {
  const {kind, seed, beta} = zeroInit;
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
    zero_init: hasZeroTokens(arrangement.layout) ? {kind, seed, ...(kind === 'aligned' ? {beta} : {})} : null,
    source,
  };
}

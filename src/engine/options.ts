import type {OptionTable} from '../options/index.js';
import {ENGINES} from './engine-names.js';

const group = 'ENGINE';

/** What computes, for libraries that compute once. */
export const ENGINE_OPTIONS = {
  engine: {
    kind: 'choice',
    choices: ['auto', ...ENGINES],
    help: 'What computes',
    otherwise: 'a real GPU if one works, else the fastest on this machine',
    more: 'See `ztt engines`.',
    group,
  },
  device: {
    kind: 'text',
    help: 'The GPU for the webgpu engine, which it chooses: a part of its name, or its number from 0',
    otherwise: 'the first real one',
    placeholder: 'NAME|N',
    group,
  },
} as const satisfies OptionTable;

/** What computes, and on how many threads. */
export const THREADED_ENGINE_OPTIONS = {
  ...ENGINE_OPTIONS,
  threads: {
    kind: 'whole',
    min: 1,
    max: 1024,
    help: 'Threads for a CPU engine',
    otherwise: 'as many as it can use',
    group,
  },
} as const satisfies OptionTable;

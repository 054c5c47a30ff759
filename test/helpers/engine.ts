import {loadBinding} from '../../src/engine/native/binding.js';

/** The engine for tests of what lies above it: native, or wasm where no compiler has built that. */
export const FASTEST = (await loadBinding()).ok ? 'native' : 'wasm';

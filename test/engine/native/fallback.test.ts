import {expect, it} from 'vitest';
import {STARTERS} from '../../../src/engine/engines.js';
import {EngineError, useEngine} from '../../../src/index.js';

it('takes wasm where native cannot be built, and says why, what it costs and what to do', async () => {
  const reason = 'engine native cannot run: no C++ compiler was found; install one: g++';
  STARTERS.native = () => Promise.reject(new EngineError(reason));
  const engine = await useEngine();
  expect(engine.name).toBe('wasm');
  expect(engine.why).toMatch(
    /^engine wasm \(.*\): the best that runs here, without tensorflow, webgpu, native; /,
  );
  expect(engine.why).toContain(`it trains at a fraction of native's speed. ${reason}`);
  expect(engine.why).not.toContain('\n');
});

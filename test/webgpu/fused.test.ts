import {beforeAll, describe} from 'vitest';
import {useEngine} from '../../src/index.js';
import {describeFusedOperations} from '../helpers/fused-cases.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../helpers/swiftshader.js';

describe.skipIf(!hasSwiftShader)(`on SwiftShader${WITHOUT_SWIFTSHADER}`, () => {
  // Tensors are made before an engine is chosen for them.
  beforeAll(async () => {
    useSwiftShader();
    await useEngine({engine: 'cpu'});
  });

  describeFusedOperations({engine: 'webgpu'});
});

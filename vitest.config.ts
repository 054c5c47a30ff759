import {defineConfig} from 'vitest/config';

export default defineConfig(({mode}) => ({
  test: {
    // `npm run test:full`: see test/helpers/matrix.ts.
    env: mode === 'full' ? {ZTT_TEST_FULL: '1'} : {},
    include: ['test/**/*.test.ts'],
    // Engines are global to a process: one process a file keeps them apart.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    globalSetup: ['test/helpers/build.ts', 'test/helpers/build-tensorflow.ts'],
    setupFiles: ['test/helpers/no-network.ts', 'test/helpers/own-token-cache.ts'],
  },
}));

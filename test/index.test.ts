import {readFile} from 'node:fs/promises';
import {expect, it} from 'vitest';
import * as ztt from '../src/index.js';

const NAMES = [
  ...[
    'AXIS_NAMES',
    'CAST_DTYPES',
    'ENGINES',
    'EXIT_GRANULARITIES',
    'EXIT_SCORES',
    'EXPORT_DTYPES',
    'LAYOUTS',
  ],
  ...['LORA_PER', 'SHARES', 'TASK_NAMES', 'VERIFY_LEVELS', 'ZERO_INITS'],
  ...['Checkpoint', 'SafetensorsFile', 'Tokenizer'],
  ...[
    'EngineError',
    'FileError',
    'FormatError',
    'HubError',
    'InterruptedError',
    'UnsupportedError',
    'UsageError',
  ],
  'ZttError',
  ...['convert', 'describeModel', 'init', 'merge', 'planConversion', 'revert'],
  ...[
    'countParameters',
    'flopsPerToken',
    'generate',
    'load',
    'readModelConfig',
    'rowFlops',
    'sampler',
    'slots',
  ],
  'storeCalibration',
  ...['finetune', 'planFinetune', 'plotRuns', 'readMetrics'],
  ...['calibrate', 'evaluate', 'evaluateHeldOut', 'htmlReport', 'readResults', 'writeResults'],
  ...['compare', 'parseAxis', 'planComparison'],
  ...['fetchModel', 'openDataset', 'openModel', 'planPush', 'pull', 'push', 'makeCard'],
  ...['exportOnnx', 'planExport', 'writeSafetensors'],
  ...['examine', 'installTensorflow', 'listEngines', 'useEngine'],
];

it('the library has these names and no others: a change here is a change of the public face', () => {
  expect(Object.keys(ztt).sort()).toEqual([...NAMES].sort());
});

it('each name is exported by name, types too: nothing comes in unseen', async () => {
  const source = await readFile(new URL('../src/index.ts', import.meta.url), 'utf8');
  expect(source).not.toMatch(/export \*/);
});

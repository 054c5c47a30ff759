import {beforeAll, expect, it} from 'vitest';
import {writeSparse} from '../helpers/sparse-checkpoint.js';
import {onlyInFull} from '../helpers/matrix.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {cliOk} from './cli.js';

/** Tells a process's peak memory as it ends, in kilobytes. */
const TELL =
  "data:text/javascript,process.on('exit',()=>process.stderr.write(`\\npeak ${process.resourceUsage().maxRSS}`))";

const temp = sharedTempFolder();
beforeAll(async () => {
  // 60 layers of tensors of 2 MB and more, 0.4 GB in all, which take no room on the disk.
  const config = {
    model_type: 'gpt2',
    vocab_size: 5000,
    n_positions: 1024,
    n_embd: 512,
    n_layer: 60,
    n_head: 8,
  };
  await writeSparse(temp.path('source'), config, 'F16');
});

it.each<[string, string[]]>([
  ['all layers', []],
  // The next one does all that this does.
  ...onlyInFull<[string, string[]]>([
    'the mean of 58 layers',
    ['--middle-layers', '1', '--share', 'average'],
  ]),
  [
    'the mean of 58 layers, in another dtype',
    ['--middle-layers', '1', '--share', 'average', '--dtype', 'float32'],
  ],
])('convert of %s takes less than 300 MB', async (_, flags) => {
  const job = ['convert', temp.path('source'), '--output', temp.path('out'), '--force', ...flags];
  const {stderr} = await cliOk(job, {node: ['--import', TELL]});
  const peak = 1024 * Number(/\npeak (\d+)$/.exec(stderr)![1]);
  expect(peak).toBeGreaterThan(30e6);
  expect(peak).toBeLessThan(300e6);
});

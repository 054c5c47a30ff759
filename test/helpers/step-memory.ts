/** Prints the bytes that training steps take on the native engine, weights included: MODEL, OPTIONS as JSON. */
import {load} from '../../src/index.js';
import {runSettings} from '../../src/finetune/options.js';
import {Trainer} from '../../src/finetune/trainer.js';

interface Options {
  batchSize: number;
  seqLen: number;
  checkpointCycles?: boolean;
}

const [folder, json] = process.argv.slice(2) as [string, string];
const options = JSON.parse(json) as Options;
// The engine's own memory is not the step's.
(await load(folder, {engine: 'native', threads: 2})).dispose();
globalThis.gc?.();
const before = process.memoryUsage().rss;
const model = await load(folder, {engine: 'native', threads: 2});
const {checkpointCycles} = options;
const settings = runSettings({model: folder, output: '', data: ['-'], ...options}, model.config);
const trainer = new Trainer(model, {...settings, checkpointCycles});
const rows = Array.from({length: options.batchSize}, (_, row) =>
  Array.from({length: options.seqLen}, (_, i) => (row * 31 + i * 7) % model.config.arch.vocabulary),
);
for (const step of [1, 2]) await trainer.step(step, rows);
process.stdout.write(`${process.resourceUsage().maxRSS * 1024 - before}\n`);

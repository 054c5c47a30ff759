/** Prints the bytes that training steps take on the native engine, weights included: MODEL, OPTIONS as JSON. */
import {load, type FinetuneOptions} from '../../src/index.js';
import {distillationSettings} from '../../src/finetune/settings/distillation-options.js';
import {newLora} from '../../src/finetune/settings/lora-options.js';
import {fittedSettings} from '../../src/finetune/plan/run-plan.js';
import {Teacher} from '../../src/finetune/step/teacher.js';
import {Trainer} from '../../src/finetune/step/trainer.js';

const [folder, json] = process.argv.slice(2) as [string, string];
const options: FinetuneOptions = {
  model: folder,
  output: '',
  data: ['-'],
  ...(JSON.parse(json) as Partial<FinetuneOptions>),
};
const engine = {engine: 'native', threads: 2};
// The engine's own memory is not the step's.
const warm = await load(folder, engine);
const {config} = warm;
warm.dispose();
globalThis.gc?.();
const before = process.memoryUsage().rss;
const settings = fittedSettings(options, config);
const model = await load(folder, {...engine, lora: newLora(settings)});
const {seqLen, batchSize} = settings;
const distillation = distillationSettings(settings);
const teacher = distillation && (await Teacher.load(distillation, {model, folder, seqLen}, engine));
const trainer = new Trainer(model, {...settings, checkpointCycles: options.checkpointCycles}, teacher);
const rows = Array.from({length: batchSize}, (_, row) =>
  Array.from({length: seqLen}, (_, i) => (row * 31 + i * 7) % config.arch.vocabulary),
);
for (const step of [1, 2]) await trainer.step(step, rows);
process.stdout.write(`${process.resourceUsage().maxRSS * 1024 - before}\n`);

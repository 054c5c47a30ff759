/** Our side of bench/training.ts: answers a line for each line, as bench/training.py does. */
import {createInterface} from 'node:readline';
import {z} from 'zod';
import {load} from '../src/index.js';
import {runSettings} from '../src/finetune/settings/options.js';
import {Trainer} from '../src/finetune/step/trainer.js';

const question = z.object({
  ask: z.enum(['load', 'memory', 'forward', 'step']),
  /** [B][T]; none for load and memory. */
  ids: z.array(z.array(z.number())).default([]),
});

const [folder, engine, threads, device] = process.argv.slice(2) as [string, string, string, string];
const ENGINE =
  engine === 'webgpu' ? {engine, device: device || undefined} : {engine, threads: Number(threads)};
const loadModel = () => load(folder, ENGINE);
const model = await loadModel();
const settings = runSettings(
  {output: '', data: ['-'], steps: 1_000_000, batchSize: 4, seqLen: 256, lr: 1e-5, warmup: 0},
  {arch: model.config.arch, arrangement: {layout: 'vanilla', cycles: 1}},
);
const trainer = new Trainer(model, settings);
let steps = 0;

for await (const line of createInterface({input: process.stdin})) {
  const asked = question.parse(JSON.parse(line));
  if (asked.ask === 'load') {
    const begun = performance.now();
    const again = await loadModel();
    reply({seconds: (performance.now() - begun) / 1000});
    again.dispose();
  } else if (asked.ask === 'memory') reply({bytes: process.resourceUsage().maxRSS * 1024});
  else {
    const begun = performance.now();
    const loss =
      asked.ask === 'forward' ? await model.loss(asked.ids) : (await trainer.step(++steps, asked.ids)).loss;
    reply({loss, seconds: (performance.now() - begun) / 1000});
  }
}

function reply(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

import * as tf from '@tensorflow/tfjs-core';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it, vi} from 'vitest';
import {finetune, load, readMetrics, type FinetuneOptions} from '../../../src/index.js';
import {Trainer} from '../../../src/finetune/step/trainer.js';
import {readSteps} from '../../../src/finetune/step/step-values.js';
import {expectClose} from '../../helpers/close.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {interruptAfter} from '../../helpers/short-run.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../../helpers/swiftshader.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {makeTinyModel} from '../../helpers/tiny-model.js';
import {trainerSettings} from '../../helpers/trainer-settings.js';

const BATCH = [
  [1, 2, 3, 4, 5, 6],
  [7, 8, 9, 10, 11, 12],
];

describe.runIf(hasSwiftShader)(`fine-tuning on webgpu, on SwiftShader${WITHOUT_SWIFTSHADER}`, () => {
  const temp = sharedTempFolder();
  let options: Omit<FinetuneOptions, 'output'>;

  beforeAll(async () => {
    useSwiftShader();
    await makeTinyModel(temp.path('model'), {layout: 'ztt', cycles: 2});
    const books = await readFile(join(FIXTURES, 'books_train.txt'), 'utf8');
    await writeFile(temp.path('text.txt'), books.slice(0, 20_000));
    options = {
      model: temp.path('model'),
      data: [temp.path('text.txt')],
      steps: 20,
      batchSize: 2,
      seqLen: 16,
      lr: 3e-3,
      warmup: 2,
      clipNorm: 0.5,
      seed: 3,
      saveEvery: 14,
      evalEvery: 20,
      evalBlocks: 1,
      evalThresholds: [],
      // What it adds is in the next test: a program that plays a GPU takes seconds for a step with it.
      exitObjective: 'off',
      engine: 'webgpu',
    };
  });

  it("gives native's losses over 20 steps, stopped and gone on with, each with a line of its own", async () => {
    const told: number[] = [];
    const onStep = ({step}: {step: number}) => told.push(step);
    const [native, webgpu] = [temp.path('native'), temp.path('webgpu')];
    await finetune({...options, engine: 'native', output: native});
    // Steps are read eight at a time: told to stop once it has said the second, it does after the eighth.
    await interruptAfter(2, {...options, output: webgpu});
    await finetune({...options, output: webgpu, resume: true, onStep});
    expect(told).toEqual(Array.from({length: 12}, (_, i) => i + 9));
    const [wanted, lines] = [await readMetrics(native), await readMetrics(webgpu)];
    expect(lines.map(({step}) => step)).toEqual(wanted.map(({step}) => step));
    for (const [i, line] of wanted.entries()) {
      const own = lines[i]!;
      expect(Object.keys(own)).toEqual(Object.keys(line));
      if (line.step === 0) continue;
      expect(Math.abs(own.loss! / line.loss! - 1), `loss of step ${line.step}`).toBeLessThan(1e-3);
      expect(Math.abs(own.grad_norm! / line.grad_norm! - 1), `norm of step ${line.step}`).toBeLessThan(1e-2);
    }
    const heldOut = (all: typeof lines) => all.at(-1)!.held_out!.loss;
    expect(Math.abs(heldOut(lines) / heldOut(wanted) - 1)).toBeLessThan(1e-3);
    // It has learned, and clipped: weights that stay as they are would pass otherwise.
    expect(lines.at(-1)!.loss!).toBeLessThan(lines[1]!.loss! - 0.3);
    expect(Math.max(...wanted.map(({grad_norm: norm}) => norm ?? 0))).toBeGreaterThan(0.5);
  }, 600_000);

  it("takes a recipe's steps as native does, reads them in one go, and keeps its memory", async () => {
    const onNative = await load(options.model, {engine: 'native'});
    const reference = new Trainer(onNative, trainerSettings({}, onNative));
    const wanted = [await reference.step(1, BATCH), await reference.step(2, BATCH)];
    reference.dispose();
    onNative.dispose();

    const model = await load(options.model, {engine: 'webgpu'});
    const trainer = new Trainer(model, trainerSettings({}, model));
    const ahead = (step: number) => trainer.stepAhead(step, BATCH);
    const usage = () => ({...tf.memory()}) as unknown as Record<string, number>;
    const results = await readSteps([ahead(1), ahead(2)]);
    for (const [i, {loss, gradNorm, exits}] of results.entries()) {
      expectClose([loss, gradNorm], [wanted[i]!.loss, wanted[i]!.gradNorm], 1e-3, `step ${i + 1}`);
      expect(exits).toHaveLength(wanted[i]!.exits!.length);
      for (const [k, {slot, ...finding}] of exits!.entries()) {
        const {slot: theirSlot, ...theirs} = wanted[i]!.exits![k]!;
        expect(slot).toBe(theirSlot);
        expectClose(Object.values(finding), Object.values(theirs), 1e-3, `exit before slot ${slot}`);
      }
    }
    const before = usage();
    const reads = vi.spyOn(tf.backend(), 'read');
    await readSteps([ahead(3), ahead(4)]);
    expect(reads).toHaveBeenCalledOnce();
    reads.mockRestore();
    const after = usage();
    expect(after.numTensors).toBe(before.numTensors);
    expect(after.numBytesInGPU).toBe(before.numBytesInGPU);
    expect(after.numBytesAllocatedInGPU).toBeLessThan(1.01 * before.numBytesAllocatedInGPU!);
    trainer.dispose();
    model.dispose();
  });

  it('names the first step that was not finite, once it is read', async () => {
    const model = await load(options.model, {engine: 'webgpu'});
    const trainer = new Trainer(model, trainerSettings({}));
    const weight = model.parameters().get('ln_f.weight')!;
    const first = trainer.stepAhead(1, BATCH);
    tf.tidy(() => weight.assign(tf.fill(weight.shape, NaN)));
    const left = [first, trainer.stepAhead(2, BATCH), trainer.stepAhead(3, BATCH)];
    await expect(readSteps(left)).rejects.toThrow(/^step 2: the loss is NaN and the gradient norm NaN/);
    trainer.dispose();
    model.dispose();
  });
});

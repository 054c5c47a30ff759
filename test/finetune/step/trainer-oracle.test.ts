import {beforeAll, describe, expect, it} from 'vitest';
import {Teacher} from '../../../src/finetune/step/teacher.js';
import {Trainer} from '../../../src/finetune/step/trainer.js';
import {type Model} from '../../../src/index.js';
import {hasZeroTokens} from '../../../src/model/index.js';
import {expectClose, expectNormClose} from '../../helpers/close.js';
import {cover, FULL, type Cell} from '../../helpers/matrix.js';
import {setUpTensorflow, TENSORFLOW, TENSORFLOW_HINT} from '../../helpers/find-tensorflow.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../../helpers/swiftshader.js';
import {TrainingReference} from '../../helpers/training-reference.js';
import {trainerSettings} from '../../helpers/trainer-settings.js';

const FAMILIES = ['gpt2', 'opt'];
const RUNS = ['vanilla', 'htc', 'ztt', 'middle', 'zero-tokens+norms', 'lora-shared', 'lora-cycle', 'distill'];

/** For a run on a program that plays a GPU, on a busy machine. */
const LONG = {timeout: 600_000};

describe.each(['native', 'wasm', 'cpu'].map((engine, shift) => ({engine, shift})))(
  'on $engine',
  ({engine, shift}) => trainsAsPyTorch(engine, cover(FAMILIES, RUNS, {shift})),
);

describe.skipIf(!TENSORFLOW)(`on tensorflow${TENSORFLOW_HINT}`, () => {
  beforeAll(setUpTensorflow);
  trainsAsPyTorch('tensorflow', cover(FAMILIES, RUNS, {shift: 3}));
});

// These take a quarter of an hour. By default test/engine/webgpu/finetune.test.ts takes twenty steps as native does.
const HINT = FULL ? WITHOUT_SWIFTSHADER : ' (skipped: `npm run test:full` runs them)';
describe.runIf(hasSwiftShader && FULL)(`on webgpu, on SwiftShader${HINT}`, () => {
  beforeAll(useSwiftShader);
  trainsAsPyTorch('webgpu', cover(FAMILIES, RUNS));
});

function trainsAsPyTorch(engine: string, cells: Cell<string, string>[]): void {
  describe.each(cells)('twenty steps of AdamW on a tiny $case are as PyTorch takes them', (cell) => {
    const {case: family, variants: runs} = cell;
    it.each(runs)('%s', LONG, async (name) => {
      const reference = await TrainingReference.open(family, name);
      const {settings, train, losses, norms} = reference.run;
      const model = await reference.model(engine);
      const before = await valuesOf(model);
      const teacher = await teacherOf(reference, model, engine);
      const trainer = new Trainer(model, trainerSettings({...settings, train}), teacher);
      for (const [i, expected] of losses.entries()) {
        const {ids, mask} = await reference.batch(i);
        const {loss, gradNorm} = await trainer.step(i + 1, ids, mask);
        expectClose([loss], [expected], 2e-5, `loss of step ${i + 1}`);
        expectClose([gradNorm], [norms[i]!], 1e-4 * norms[i]!, `gradient norm of step ${i + 1}`);
      }
      trainer.dispose();
      teacher?.dispose();
      const after = await valuesOf(model);
      const ended = await reference.ended();
      expect(changed(before, after)).toEqual(new Set(ended.keys()));
      for (const [parameter, theirs] of ended) {
        const part = withGradient(parameter, model);
        expectNormClose(part(after.get(parameter)!), part(theirs), 1e-4, 1e-6, parameter);
      }
      model.dispose();
      await reference.close();
    });
  });
}

/** The source, for a run that is drawn to it. */
async function teacherOf(
  reference: TrainingReference,
  model: Model,
  engine: string,
): Promise<Teacher | null> {
  const {distill} = reference.run;
  if (!distill) return null;
  const settings = {
    teacher: reference.source,
    distillWeight: distill.weight,
    distillTemperature: distill.temperature,
  };
  return Teacher.load(settings, {model, folder: reference.source, seqLen: 12}, {engine});
}

async function valuesOf(model: Model): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, variable] of model.parameters())
    values.set(name, (await variable.data()) as Float32Array);
  return values;
}

/** The parameters of which a bit is another than before. */
function changed(before: Map<string, Float32Array>, after: Map<string, Float32Array>): Set<string> {
  const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const names = [...before.keys()].filter(
    (name) => !bytes(before.get(name)!).equals(bytes(after.get(name)!)),
  );
  return new Set(names);
}

/**
 * What of a parameter to compare: all but the key part of the attention bias where there are no zero tokens. It adds
 * the same to all of a query's logits, so its true gradient is zero, and Adam makes full steps of rounding errors.
 */
function withGradient(name: string, model: Model): (values: Float32Array) => Float32Array {
  const {arch, arrangement} = model.config;
  if (hasZeroTokens(arrangement.layout)) return (values) => values;
  if (name.endsWith('k_proj.bias')) return () => new Float32Array();
  if (!name.endsWith('c_attn.bias')) return (values) => values;
  return (values) => values.filter((_, i) => Math.floor(i / arch.width) !== 1);
}

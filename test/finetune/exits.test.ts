import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {finetune} from '../../src/finetune/index.js';
import {readModelConfig} from '../../src/model/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {makeTinyModel} from '../helpers/tiny-model.js';

const temp = freshTempFolder();

const RUN = {
  data: [join(FIXTURES, 'books_train.txt')],
  steps: 6,
  batchSize: 4,
  seqLen: 16,
  evalEvery: 0,
  saveEvery: 3,
  keep: 3,
  exitObjective: 'off',
  engine: 'native',
  threads: 1,
} as const;

const weights = async (folder: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(join(folder, 'model.safetensors')))
    .digest('hex');

describe('a run that trains for exits by token and fits its exits', () => {
  it('goes on after an interruption to the same bits, and tells what the exits were fitted on', async () => {
    await makeTinyModel(temp.path('model'));
    const options = {...RUN, model: temp.path('model'), mixedDepths: 0.8, exitsFrom: 0.3, fitExits: true};
    await finetune({...options, output: temp.path('whole')});
    const stop = new AbortController();
    const onStep = ({step}: {step: number}) => {
      if (step === 4) stop.abort();
    };
    const cut = {...options, output: temp.path('cut'), signal: stop.signal, onStep};
    await expect(finetune(cut)).rejects.toThrow(/stopped after step 4/);
    await finetune({...options, output: temp.path('cut'), resume: true});
    expect(await weights(temp.path('cut'))).toBe(await weights(temp.path('whole')));
    const fit = (await readModelConfig(temp.path('whole'))).ztt!.exit_fit!;
    expect(fit).toMatchObject({rows: 24, seq_len: 16});
    expect(fit.exits).toHaveLength(1);
    // The last checkpoint has the keys as training left them.
    expect(await weights(temp.path('whole', 'checkpoints', 'step-6'))).not.toBe(
      await weights(temp.path('whole')),
    );
  });

  it('trains otherwise than without mixed depths, and alike before exits begin', async () => {
    await makeTinyModel(temp.path('model'));
    const losses = async (name: string, more: object) => {
      const found: number[] = [];
      const onStep = ({loss}: {loss: number}) => found.push(loss);
      await finetune({...RUN, model: temp.path('model'), output: temp.path(name), onStep, ...more});
      return found;
    };
    const plain = await losses('plain', {});
    const mixed = await losses('mixed', {mixedDepths: 1});
    const later = await losses('later', {mixedDepths: 1, exitsFrom: 0.5});
    expect(mixed[0]).not.toBe(plain[0]);
    expect(later.slice(0, 3)).toEqual(plain.slice(0, 3));
    expect(later[3]).not.toBe(plain[3]);
  });

  it('refuses at the start what could not be fitted at the end', async () => {
    await makeTinyModel(temp.path('model'));
    const few = {...RUN, model: temp.path('model'), output: temp.path('few'), steps: 3, fitExits: true};
    await expect(finetune(few)).rejects.toThrow(/fit-exits needs 16 rows of text; the run has 12/);
    await makeTinyModel(temp.path('htc'), {layout: 'htc'});
    const htc = {...RUN, model: temp.path('htc'), output: temp.path('run'), fitExits: true};
    await expect(finetune(htc)).rejects.toThrow(/fit-exits needs zero tokens and several cycles/);
  });
});

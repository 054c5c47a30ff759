import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {parseTrain, trainedParameters} from '../../../src/finetune/settings/trainable.js';
import {Trainer} from '../../../src/finetune/step/trainer.js';
import {convert, load, UsageError, type Model} from '../../../src/index.js';
import {ORACLE} from '../../helpers/oracle.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {trainerSettings} from '../../helpers/trainer-settings.js';

const BATCH = [
  [1, 2, 3, 4, 5, 6],
  [7, 8, 9, 10, 11, 12],
];

const temp = sharedTempFolder();
let models: Record<'gpt2' | 'opt' | 'galactica-style', Model>;

beforeAll(async () => {
  const open = async (name: string, layout: 'ztt' | 'htc') => {
    await convert({source: join(ORACLE, name), output: temp.path(name), layout, cycles: 2});
    return load(temp.path(name), {engine: 'wasm'});
  };
  models = {
    gpt2: await open('gpt2', 'ztt'),
    opt: await open('opt', 'ztt'),
    'galactica-style': await open('galactica-style', 'htc'),
  };
});
afterAll(() => {
  for (const model of Object.values(models)) model.dispose();
});

const trained = (model: Model, train: string) =>
  trainedParameters(parseTrain(train), model.parameters().keys(), model.config.arch);

describe('what is trained', () => {
  it('is everything, or what the parts name', () => {
    const {gpt2, opt} = models;
    expect(trained(gpt2, 'all').size).toBe(gpt2.parameters().size);
    expect(trained(gpt2, 'zero-tokens')).toEqual(new Set(['zero_tokens.key']));
    const norms = [...gpt2.parameters().keys()].filter((name) => /ln_[12f]\./.test(name));
    expect(norms).toHaveLength(2 * (2 * 5 + 1));
    expect(trained(gpt2, 'zero-tokens+norms')).toEqual(new Set(['zero_tokens.key', ...norms]));
    // OPT's norm after the blocks has the name of the one inside them.
    expect(trained(opt, 'norms')).toContain('final_layer_norm.weight');
    expect([...trained(opt, 'middle')].every((name) => name.startsWith('middle.'))).toBe(true);
    expect(trained(opt, 'middle').size).toBe(3 * 16);
  });

  it.each([
    ['everything', /"everything" is none of all, zero-tokens, norms, middle, lora, which \+ joins/],
    ['norms+', /"" is none of/],
    ['norms+norms', /each part goes once/],
    ['all+norms', /all goes alone/],
  ])('is refused: %s', (train, message) => {
    expect(() => parseTrain(train)).toThrow(UsageError);
    expect(() => parseTrain(train)).toThrow(message);
  });

  it.each(['zero-tokens', 'norms'])('is refused where the model has no %s', (train) => {
    expect(() => trained(models['galactica-style'], train)).toThrow(
      new RegExp(`has ${train}, and the model has none`),
    );
  });
});

describe.each(['gpt2', 'opt'] as const)('a trainer of a part of %s', (name) => {
  it.each(['zero-tokens+norms', 'middle'])('has no gradient and no moments but for %s', async (train) => {
    const model = models[name];
    const names = trained(model, train);
    const trainer = new Trainer(model, trainerSettings({train}));
    const moments = new Set([...trainer.moments().keys()].map((key) => key.replace(/^(mean|square)\./, '')));
    expect(moments).toEqual(names);
    expect(new Set((await model.gradients(BATCH)).keys())).toEqual(names);
    trainer.dispose();
    expect((await model.gradients(BATCH)).size).toBe(model.parameters().size);
  });
});

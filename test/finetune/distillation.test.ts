import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {convert, finetune, UsageError} from '../../src/index.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {
  expectResumedAs,
  interruptAfter,
  SHORT_RUN,
  shortRunInputs,
  weightBytes,
} from '../helpers/short-run.js';
import {sharedTempFolder} from '../helpers/temp.js';

const SOURCE = join(FIXTURES, 'gpt2-books');
const RUN = {...SHORT_RUN, accumulate: 2, data: [] as string[]};

const temp = sharedTempFolder();
let model: string;

beforeAll(async () => {
  ({model, data: RUN.data} = await shortRunInputs(temp));
});

describe('a run with a teacher', () => {
  it('resumes bit for bit, and its loss is another than without', async () => {
    const [whole, broken, plain] = [temp.path('whole'), temp.path('broken'), temp.path('plain')];
    const options = {...RUN, model, teacher: SOURCE, distillWeight: 0.8, distillTemperature: 2};
    const report = await finetune({...options, output: whole});
    await interruptAfter(1, {...options, output: broken});
    const other = finetune({...options, distillWeight: 0.5, output: broken, resume: true});
    await expect(other).rejects.toThrow(/started with distillWeight 0.8, not 0.5/);
    await expectResumedAs(whole, {...options, output: broken});
    const {loss} = await finetune({...RUN, model, output: plain});
    expect(loss).not.toBeCloseTo(report.loss!, 2);
    expect((await weightBytes(plain)).equals(await weightBytes(whole))).toBe(false);
  });

  it('begins at no divergence where model and teacher are the same', async () => {
    const output = temp.path('same');
    const report = await finetune({
      ...RUN,
      model: SOURCE,
      output,
      teacher: SOURCE,
      distillWeight: 1,
      steps: 1,
    });
    expect(Math.abs(report.loss!)).toBeLessThan(1e-4);
  });

  it.each([
    [{distillWeight: 0.5}, /distill-weight goes with teacher/],
    [{distillTemperature: 2}, /distill-temperature goes with teacher/],
    [{teacher: SOURCE, distillWeight: 0}, /distill-weight is 0/],
    [{teacher: SOURCE, distillTemperature: Infinity}, /distill-temperature is Infinity/],
    [{teacher: join(ORACLE, 'gpt2')}, /has a vocabulary of 101 tokens, and the model 4096/],
    [{teacher: SOURCE, seqLen: 300}, /seq-len is 300/],
  ])('is refused: %o', async (wrong, message) => {
    const attempt = finetune({...RUN, model, output: temp.path('wrong'), ...wrong});
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(finetune({...RUN, model, output: temp.path('wrong'), ...wrong})).rejects.toThrow(message);
  });

  it('is refused where the teacher has another tokenizer, or takes fewer tokens', async () => {
    const teacher = temp.path('teacher');
    await convert({source: SOURCE, output: teacher, layout: 'vanilla'});
    const tokenizer = join(teacher, 'tokenizer.json');
    const text = await readFile(tokenizer, 'utf8');
    const run = (seqLen: number) => finetune({...RUN, model, seqLen, output: temp.path('other'), teacher});
    // Two tokens change places.
    const {model: inner} = JSON.parse(text) as {model: {vocab: Record<string, number>}};
    const [a, b] = [inner.vocab['Ġfox'] ?? inner.vocab['x']!, inner.vocab['T']!];
    const swapped = Object.fromEntries(
      Object.entries(inner.vocab).map(([token, id]) => [token, id === a ? b : id === b ? a : id]),
    );
    const json = JSON.parse(text) as {model: object};
    await writeFile(tokenizer, JSON.stringify({...json, model: {...json.model, vocab: swapped}}));
    await expect(run(16)).rejects.toThrow(/teacher has another tokenizer than the model/);
    await writeFile(tokenizer, text);
    const path = join(teacher, 'config.json');
    const config = await readFile(path, 'utf8');
    await writeFile(path, config.replace('"n_positions": 256', '"n_positions": 8'));
    await expect(run(16)).rejects.toThrow(/mismatched|takes 8 tokens, fewer than a sequence of 16/);
  });
});

import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint} from '../../src/checkpoint/index.js';
import {load, merge, revert, UnsupportedError, type LoraConfig} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';
import {writeLoraModel} from '../helpers/lora-model.js';
import {Expected, ORACLE} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const GPT2 = ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj'];
const OPT = ['self_attn.k_proj', 'self_attn.out_proj', 'fc1', 'fc2'];

const temp = sharedTempFolder();

async function logitsOf(folder: string, ids: number[][]): Promise<Float32Array> {
  const model = await load(folder, {engine: 'wasm'});
  const {logits} = await model.logits(ids);
  model.dispose();
  return logits;
}

async function bytes(checkpoint: Checkpoint, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of checkpoint.chunks(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('merge', () => {
  it.each([
    ['gpt2', {rank: 3, alpha: 6, per: 'shared', targets: GPT2}, 2],
    ['opt', {rank: 2, alpha: 3, per: 'shared', targets: OPT}, 2],
    ['gpt2', {rank: 3, alpha: 6, per: 'cycle', targets: ['mlp.c_fc']}, 1],
  ] satisfies [string, LoraConfig, number][])(
    'gives a model of %s that computes the same without LoRA (%o, %d cycles)',
    async (name, lora, cycles) => {
      const folder = temp.path(`${name}-${lora.per}`);
      await writeLoraModel(name, folder, lora, {cycles});
      const output = `${folder}-merged`;
      const progress: number[] = [];
      const report = await merge({model: folder, output, onTensor: (done) => progress.push(done)});
      expect(report.lora).toEqual(lora);
      expect(report.merged).toHaveLength(5 * lora.targets.length);
      expect(new Set(await readdir(output))).toEqual(new Set(await readdir(folder)));
      const expected = await Expected.open(name);
      const ids = await expected.ids();
      await expected.close();
      expectClose(await logitsOf(output, ids), await logitsOf(folder, ids), 1e-4, 'logit');
      const [before, after] = [await Checkpoint.open(folder), await Checkpoint.open(output)];
      const kept = [...before.tensors.keys()].filter((tensor) => !tensor.startsWith('lora.'));
      expect([...after.tensors.keys()].sort()).toEqual(kept.sort());
      expect(progress.at(-1)).toBe(kept.length);
      for (const tensor of kept) {
        const same = (await bytes(after, tensor)).equals(await bytes(before, tensor));
        expect(same, tensor).toBe(!report.merged.includes(tensor));
      }
      await before.close();
      await after.close();
    },
  );

  it('is refused for matrices of several cycles, and where there are none', async () => {
    const folder = temp.path('cycles');
    await writeLoraModel('gpt2', folder, {rank: 2, alpha: 2, per: 'cycle', targets: GPT2});
    const output = temp.path('never');
    await expect(merge({model: folder, output})).rejects.toThrow(UnsupportedError);
    await expect(merge({model: folder, output})).rejects.toThrow(
      /each of its 2 cycles has LoRA matrices of its own/,
    );
    await expect(merge({model: `${folder}-base`, output})).rejects.toThrow(/has no LoRA matrices/);
    await expect(merge({model: join(ORACLE, 'gpt2'), output})).rejects.toThrow(/has no LoRA matrices/);
    // The message names no way that is refused.
    await expect(revert({model: folder, output, unroll: true})).rejects.toThrow(
      /has LoRA matrices, which .* those of 2 cycles cannot be merged/,
    );
    expect(await readdir(temp.path('.'))).not.toContain('never');
  });
});

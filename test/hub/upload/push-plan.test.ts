import {mkdir, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError, FormatError} from '../../../src/errors.js';
import {planPush} from '../../../src/hub/index.js';
import {errorOf, GPT2, PushFixture} from '../push-fixture.js';

const hub = new PushFixture();

describe('what a push sends', () => {
  it('leaves secrets, run state and stray files behind', async () => {
    const dir = await hub.copyOf('gpt2');
    await mkdir(join(dir, 'checkpoints/step-10'), {recursive: true});
    await writeFile(join(dir, 'checkpoints/step-10/optimizer.safetensors'), 'x');
    await mkdir(join(dir, '.git'));
    const secrets = [
      '.env',
      'hf_token.txt',
      'id_rsa',
      'hub.server.pem',
      'token',
      'my_secret.py',
      'hf_token.py',
    ];
    const strays = ['metrics.jsonl', 'notes.txt', '.x.partial', '.DS_Store'];
    const good = ['README.md', 'modeling_ztt.py', 'tokenization_ztt.py', 'added_tokens.json', 'merges.txt'];
    const tokenizer = ['special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json', 'vocab.json'];
    for (const name of [...secrets, ...strays, ...good, ...tokenizer]) {
      await writeFile(join(dir, name), `text of ${name}`);
    }
    const {leftOut} = await hub.push(dir);
    await hub.expectPushed(dir, [...GPT2, ...good, ...tokenizer]);
    const reasons = Object.fromEntries(leftOut.map(({path, reason}) => [path, reason]));
    expect(reasons).toEqual({
      ...Object.fromEntries(secrets.map((name) => [name, 'looks like a secret'])),
      '.git/': 'hidden',
      '.DS_Store': 'hidden',
      '.x.partial': 'an unfinished file',
      'checkpoints/': 'saved states of a training run',
      'expected.safetensors': "none of this checkpoint's weight files",
      'metrics.jsonl': 'the log of a training run',
      'notes.txt': 'no file that a model repo holds',
    });
  });

  it('sends what a link within the folder leads to', async () => {
    const dir = await hub.copyOf('gpt2');
    await writeFile(join(dir, 'about.txt'), 'hello');
    await symlink('about.txt', join(dir, 'README.md'));
    await hub.push(dir);
    expect(hub.head.files.get('README.md')!.content.toString()).toBe('hello');
    expect(hub.head.files.has('about.txt')).toBe(false);
  });
});

describe('planPush', () => {
  it.each(['config.json', 'model.safetensors', 'README.md'])(
    'refuses %s as a link out of the folder',
    async (name) => {
      const dir = await hub.copyOf('gpt2');
      const outside = join(hub.scratch, 'outside');
      await writeFile(outside, 'private');
      await rm(join(dir, name), {force: true});
      await symlink(outside, join(dir, name));
      const error = await hub.failure(dir);
      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toBe(
        `${join(dir, name)} is a link that leads out of the folder, to ${outside}; put a copy of the file in its place to push it.`,
      );
      expect(hub.server.api.requests).toEqual([]);
    },
  );

  it('refuses a link to a sibling folder whose name starts alike', async () => {
    const dir = await hub.copyOf('gpt2');
    await mkdir(`${dir}-other`);
    await writeFile(`${dir}-other/README.md`, 'private');
    await symlink(`${dir}-other/README.md`, join(dir, 'README.md'));
    expect((await errorOf(planPush(dir))).message).toContain('leads out of the folder');
  });

  it('refuses what is no checkpoint', async () => {
    const dir = await hub.copyOf('gpt2');
    const messageOf = async () => {
      const error = await errorOf(planPush(dir));
      expect(error).toBeInstanceOf(FileError);
      return error.message;
    };
    await rm(join(dir, 'config.json'));
    expect(await messageOf()).toBe(`${dir} is no checkpoint: it has no config.json.`);
    await rm(join(dir, 'model.safetensors'));
    expect(await messageOf()).toBe(
      `${dir} is no checkpoint that can be pushed: it has neither model.safetensors nor model.safetensors.index.json.`,
    );
    await rm(dir, {recursive: true});
    expect(await messageOf()).toBe(
      `${dir} does not exist; give a folder with config.json and model.safetensors.`,
    );
  });

  it('refuses a checkpoint that lacks a shard', async () => {
    const dir = await hub.copyOf('gpt2-sharded');
    await rm(join(dir, 'model-00003-of-00008.safetensors'));
    const error = await errorOf(planPush(dir));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toContain('model-00003-of-00008.safetensors');
  });

  it('refuses a broken config', async () => {
    const dir = await hub.copyOf('gpt2');
    await writeFile(join(dir, 'config.json'), '{');
    expect(await errorOf(planPush(dir))).toBeInstanceOf(FormatError);
  });

  it('sends one set of weights where a folder holds two', async () => {
    const dir = await hub.copyOf('gpt2');
    await writeFile(join(dir, 'model.safetensors.index.json'), '{"weight_map": {}}');
    const {files, leftOut} = await planPush(dir);
    expect(files.map(({path}) => path)).toEqual(GPT2);
    expect(leftOut.map(({path}) => path)).toEqual(['expected.safetensors', 'model.safetensors.index.json']);
  });
});

import {readdirSync, readFileSync} from 'node:fs';
import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError, HubError, UnsupportedError, UsageError} from '../../../src/errors.js';
import {pull, type PullOptions} from '../../../src/hub/index.js';
import {errorOf, PushFixture, TOKEN} from '../push-fixture.js';

const hub = new PushFixture();
const output = () => join(hub.scratch, 'pulled');
const run = (options: Partial<PullOptions> = {}) =>
  pull({
    model: 'ann/model',
    output: output(),
    env: {HF_ENDPOINT: hub.server.endpoint, HF_HOME: join(hub.scratch, 'home'), HF_TOKEN: TOKEN},
    sleep: () => Promise.resolve(),
    ...options,
  });
const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]));

describe('pull', () => {
  it.each(['gpt2', 'gpt2-sharded'])('gives back what was pushed of %s, byte for byte', async (name) => {
    const dir = await hub.copyOf(name);
    await writeFile(join(dir, 'README.md'), '# mine');
    await writeFile(join(dir, 'modeling_ztt.py'), 'pass');
    const {files} = await hub.push(dir, {revision: 'half', private: true});
    hub.server.addFiles('ann/model', {'notes.txt': 'x', 'onnx/model.onnx': 'y'});
    const report = await run({model: 'ann/model@half'});
    const there = contents(output());
    expect(Object.keys(there).sort()).toEqual(files.map(({path}) => path).sort());
    const pushed = contents(dir);
    for (const [path, content] of Object.entries(there)) expect(content, path).toBe(pushed[path]);
    expect(report).toMatchObject({
      repo: 'ann/model',
      commit: hub.server.repos.get('ann/model')!.refs.get('half'),
    });
  });

  it('leaves in the repo what is no model’s, and replaces a model only when told', async () => {
    await hub.push(await hub.copyOf('gpt2'));
    hub.server.addFiles('ann/model', {'notes.txt': 'x', 'tf_model.h5': 'y', 'hf_token.py': 'z'});
    const {leftOut} = await run();
    expect(leftOut).toEqual(['.gitattributes', 'hf_token.py', 'notes.txt', 'tf_model.h5']);
    await expect(run()).rejects.toThrow(FileError);
    hub.server.addFiles('ann/model', {'README.md': 'new'});
    await run({force: true});
    expect(await readFile(join(output(), 'README.md'), 'utf8')).toBe('new');
  });

  it('takes no copy with another byte than the Hub lists, and leaves nothing', async () => {
    await hub.push(await hub.copyOf('gpt2'));
    const {commit} = await run();
    const blobs = join(hub.scratch, 'home/hub/models--ann--model/snapshots', commit);
    const weights = await readFile(join(blobs, 'model.safetensors'));
    weights[1000]! ^= 1;
    await writeFile(join(blobs, 'model.safetensors'), weights);
    const again = join(hub.scratch, 'again');
    const error = await errorOf(run({output: again}));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(
      /^The cache's copy of model\.safetensors has another sha256 than the Hub lists/,
    );
    expect(await readdir(hub.scratch)).not.toContain('again');
  });

  it('says why it cannot', async () => {
    await expect(run({model: 'ann/none'})).rejects.toThrow(HubError);
    await expect(run({model: hub.scratch})).rejects.toThrow(UsageError);
    hub.server.addFiles('ann/model', {'adapter_config.json': '{}'});
    await expect(run()).rejects.toThrow(UnsupportedError);
    await hub.push(await hub.copyOf('gpt2'));
    await run();
    const offline = {HF_HUB_OFFLINE: '1', HF_HOME: join(hub.scratch, 'home')};
    await expect(run({env: offline, output: join(hub.scratch, 'b')})).rejects.toThrow(
      /the Hub was not reached/,
    );
  });
});

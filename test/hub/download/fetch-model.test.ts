import {existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {mkdir, realpath} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError, UsageError, ZttError} from '../../../src/errors.js';
import {openDataset} from '../../../src/hub/index.js';
import {CONFIG, etagOf, filesOf} from '../../helpers/hub-repos.js';
import {FetchFixture, GPT2, sameBytes, TOKEN} from '../fetch-fixture.js';
import {errorOf} from '../push-fixture.js';

const hub = new FetchFixture();
const FILES = ['config.json', 'generation_config.json', 'model.safetensors'];

describe('fetchModel', () => {
  it('brings a model into the cache as Python lays it out, by its commit', async () => {
    const commit = hub.publish('ann/gpt2');
    const fetched = await hub.fetch('ann/gpt2');
    const folder = join(hub.cache, 'models--ann--gpt2');
    expect(fetched).toEqual({path: join(folder, 'snapshots', commit), name: 'ann/gpt2', revision: commit});
    const {files} = hub.server.repos.get('ann/gpt2')!.commits.at(-1)!;
    const repo = 'home/hub/models--ann--gpt2';
    const expected = FILES.flatMap((name) => {
      const etag = etagOf(files.get(name)!);
      return [
        [`${repo}/blobs/${etag}`, files.get(name)!.content.byteLength],
        [`${repo}/snapshots/${commit}/${name}`, `-> ../../blobs/${etag}`],
      ];
    });
    expect(hub.listing()).toEqual({...Object.fromEntries(expected), [`${repo}/refs/main`]: 40});
    expect(readFileSync(join(folder, 'refs/main'), 'utf8')).toBe(commit);
    for (const name of FILES) expect(sameBytes(join(fetched.path, name), join(GPT2, name))).toBe(true);
    expect(hub.server.filesSent.sort()).toEqual(FILES);
    expect(hub.notes).toEqual([]);
  });

  it('asks for everything by commit, and for nothing twice', async () => {
    const commit = hub.publish('ann/gpt2');
    await hub.fetch('ann/gpt2');
    for (const {url, route} of hub.server.api.requests) {
      if (route !== 'info') expect(url).toContain(`/${commit}`);
    }
    expect(hub.server.routesTaken.filter((route) => route === 'info' || route === 'tree')).toEqual([
      'info',
      'tree',
    ]);
    const before = hub.server.filesSent.length;
    await hub.fetch('ann/gpt2');
    await hub.fetch(`ann/gpt2@${commit}`);
    expect(hub.server.filesSent).toHaveLength(before);
    expect(hub.server.routesTaken.slice(-3)).toEqual(['info', 'tree', 'tree']);
  });

  it('takes what a model needs and leaves the rest, of weights in several forms one', async () => {
    const needed = {
      ...filesOf(GPT2),
      'tokenizer.json': '{}',
      'tokenizer_config.json': '{"a": 1}',
      'vocab.json': '{"b": 2}',
      'merges.txt': '#version',
      'special_tokens_map.json': '{"c": 3}',
      'added_tokens.json': '{"d": 4}',
      'ztt_certificate.json': '{"e": 5}',
      'README.md': '---\nlicense: mit\n---\n',
    };
    const left = ['LICENSE', '.env', 'ztt.py', 'pytorch_model.bin', 'pytorch_model.bin.index.json'];
    const others = [
      'tf_model.h5',
      'flax_model.msgpack',
      'rust_model.ot',
      'onnx/model.onnx',
      '64.tflite',
      'model.fp16.safetensors',
    ];
    hub.server.addFiles('ann/gpt2', {
      ...needed,
      ...Object.fromEntries([...left, ...others].map((name) => [name, `not needed: ${name}`])),
    });
    const {path} = await hub.fetch('ann/gpt2');
    delete (needed as Record<string, unknown>)['expected.safetensors'];
    const index = left.pop()!;
    expect(
      readdirSync(path)
        .filter((name) => name !== index)
        .sort(),
    ).toEqual(Object.keys(needed).sort());
  });

  it.each(['gpt2-sharded', 'opt-bin'])('fetches %s whole', async (name) => {
    const folder = join('fixtures/oracle', name);
    hub.publish('ann/model', folder);
    const {path} = await hub.fetch('ann/model');
    const names = Object.keys(filesOf(folder)).filter((file) => file !== 'expected.safetensors');
    expect(readdirSync(path).sort()).toEqual(names.sort());
    for (const file of names) expect(sameBytes(join(path, file), join(folder, file))).toBe(true);
  });

  it('takes a branch, a tag, a pull request, a commit, and remembers each but the last', async () => {
    const old = hub.publish('ann/gpt2');
    hub.server.addFiles('ann/gpt2', {'generation_config.json': '{"new": true}'});
    const {refs} = hub.server.repos.get('ann/gpt2')!;
    const revisions = ['v1.0', 'feature/x', 'refs/pr/1'];
    for (const revision of revisions) refs.set(revision, old);
    for (const revision of [...revisions, old]) {
      const {path, revision: commit} = await hub.fetch(`ann/gpt2@${revision}`);
      expect(commit).toBe(old);
      expect(sameBytes(join(path, 'generation_config.json'), join(GPT2, 'generation_config.json'))).toBe(
        true,
      );
    }
    const folder = join(hub.cache, 'models--ann--gpt2/refs');
    expect(readdirSync(folder, {recursive: true}).sort()).toEqual(
      ['feature', 'feature/x', 'refs', 'refs/pr', 'refs/pr/1', 'v1.0'].sort(),
    );
    for (const revision of revisions) expect(readFileSync(join(folder, revision), 'utf8')).toBe(old);
    expect(hub.server.filesSent.sort()).toEqual(FILES);
  });

  it('fetches only what changed when a branch has moved on', async () => {
    const old = hub.publish('ann/gpt2');
    await hub.fetch('ann/gpt2');
    const commit = hub.server.addFiles('ann/gpt2', {'generation_config.json': '{"new": true}'});
    const {path, revision} = await hub.fetch('ann/gpt2');
    expect(revision).toBe(commit);
    expect(readFileSync(join(path, 'generation_config.json'), 'utf8')).toBe('{"new": true}');
    expect(hub.server.filesSent.sort()).toEqual([
      'config.json',
      'generation_config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
    expect(await realpath(join(path, 'model.safetensors'))).toBe(
      await realpath(join(path, '..', old, 'model.safetensors')),
    );
    expect(readFileSync(join(hub.cache, 'models--ann--gpt2/refs/main'), 'utf8')).toBe(commit);
  });

  it('knows repos of one word, and follows where a repo has moved to, with the token', async () => {
    const commit = hub.publish('gpt2');
    expect((await hub.fetch('gpt2')).path).toBe(join(hub.cache, 'models--gpt2/snapshots', commit));
    const moved = hub.publish('ann/new');
    hub.server.repos.get('ann/new')!.private = true;
    hub.server.moved.set('ann/old', 'ann/new');
    const {path, name} = await hub.fetch('ann/old', {token: TOKEN});
    expect({path, name}).toEqual({
      path: join(hub.cache, 'models--ann--old/snapshots', moved),
      name: 'ann/old',
    });
    expect(sameBytes(join(path, 'config.json'), join(GPT2, 'config.json'))).toBe(true);
  });

  it('holds files in place of links where there can be none', async () => {
    const commit = hub.publish('ann/gpt2');
    const env = {...hub.env, HF_HUB_DISABLE_SYMLINKS: '1'};
    const {path} = await hub.fetch('ann/gpt2', {env});
    for (const name of FILES) {
      expect(lstatSync(join(path, name)).isFile()).toBe(true);
      expect(sameBytes(join(path, name), join(GPT2, name))).toBe(true);
    }
    expect(readdirSync(join(hub.cache, 'models--ann--gpt2/blobs'))).toEqual([]);
    await hub.fetch(`ann/gpt2@${commit}`, {env});
    expect(hub.server.filesSent.sort()).toEqual(FILES);
  });

  it('fetches a file of the cache anew that has another size than the Hub lists', async () => {
    hub.publish('ann/gpt2');
    const {path} = await hub.fetch('ann/gpt2');
    writeFileSync(await realpath(join(path, 'model.safetensors')), 'half');
    await hub.fetch('ann/gpt2');
    expect(sameBytes(join(path, 'model.safetensors'), join(GPT2, 'model.safetensors'))).toBe(true);
  });

  it('links what another commit or a broken link left', async () => {
    hub.publish('ann/gpt2');
    const {path} = await hub.fetch('ann/gpt2');
    rmSync(join(path, 'config.json'));
    await hub.fetch('ann/gpt2');
    expect(existsSync(join(path, 'config.json'))).toBe(true);
    expect(hub.server.filesSent.sort()).toEqual(FILES);
  });

  it('tells how far it is, in bytes of all files together', async () => {
    hub.publish('ann/gpt2', 'fixtures/oracle/gpt2-sharded');
    const told: [number, number][] = [];
    const {path} = await hub.fetch('ann/gpt2', {onProgress: (done, total) => told.push([done, total])});
    const shards = readdirSync(path).filter((name) => name.endsWith('.safetensors'));
    const size = shards.reduce((sum, name) => sum + readFileSync(join(path, name)).byteLength, 0);
    expect(new Set(told.map(([, total]) => total))).toEqual(new Set([size]));
    expect(told.map(([done]) => done)).toEqual(told.map(([done]) => done).sort((a, b) => a - b));
    expect(told.at(-1)![0]).toBe(size);
    told.length = 0;
    await hub.fetch('ann/gpt2', {onProgress: (done, total) => told.push([done, total])});
    expect(told).toEqual([]);
  });

  it('downloads four files at once', async () => {
    hub.publish('ann/gpt2', 'fixtures/oracle/gpt2-sharded');
    let now = 0;
    let most = 0;
    const counting: typeof fetch = async (input, init) => {
      if (!String(input instanceof Request ? input.url : input).includes('/objects/'))
        return fetch(input, init);
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 30));
      now--;
      return fetch(input, init);
    };
    await hub.fetch('ann/gpt2', {fetch: counting});
    expect(most).toBe(4);
  });
});

describe('a model argument', () => {
  it('is a path where there is one, and the Hub is not asked', async () => {
    expect(await hub.fetch(GPT2)).toEqual({path: GPT2, name: GPT2, revision: null});
    await mkdir(hub.temp.path('ann/gpt2'), {recursive: true});
    const path = hub.temp.path('ann/gpt2');
    expect(await hub.fetch(path)).toEqual({path, name: path, revision: null});
    expect(hub.server.api.requests).toEqual([]);
  });

  it.each([
    './ann/gpt2',
    '/ann/gpt2',
    '../gpt2',
    'a/b/c',
    'ann/',
    'ann\\gpt2',
    '~/gpt2',
    'gpt2.safetensors',
    'runs/x/config.json',
  ])('that can only be a path, %s, is missed as one', async (text) => {
    const error = await errorOf(hub.fetch(text));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toBe(
      `${text} does not exist; give a folder with config.json and weights, or a repo of the Hub.`,
    );
    expect(hub.server.api.requests).toEqual([]);
  });

  it.each([
    'my model',
    'ann/gpt2?x',
    'ann/a--b',
    '-x',
    'ann/gpt2@',
    'ann/gpt2@a b',
    'ann/gpt2@../x',
    'ann/gpt2@a..b',
    'ann/gpt2@/x',
    'ann/gpt2@x\\y',
    `ann/gpt2@${'x'.repeat(300)}`,
    'ann/gpt2@.x',
    'ann/gpt2@x~1',
    'é/x',
  ])('that can be neither, %j, is refused', async (text) => {
    const error = await errorOf(hub.fetch(text));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toContain('does not exist here, and is no repo of the Hub: ');
    expect(hub.server.api.requests).toEqual([]);
  });

  it('may not be empty', async () => {
    expect(await errorOf(hub.fetch(''))).toBeInstanceOf(UsageError);
  });
});

describe('a repo without a model', () => {
  it.each([
    [
      {'README.md': 'x'},
      /^the model ann\/gpt2 has no config\.json at its top, so it is no checkpoint of a model\.$/,
    ],
    [{'model.gguf': 'y'}, /has no config\.json at its top.*\. Its "model\.gguf" is GGUF weights/],
    [
      {'adapter_config.json': '{}', 'adapter_model.safetensors': ''},
      /Its "adapter_config\.json" is an adapter/,
    ],
    [
      {'config.json': '{"model_type": "deepseek_v3"}', 'model.safetensors': ''},
      /config\.json: .*"?deepseek_v3"? is not supported/,
    ],
    [{'onnx/config.json': '{}', 'onnx/model.safetensors': ''}, /has no config\.json at its top/],
    [{'config.json': CONFIG}, /^ann\/gpt2 is no checkpoint: it has neither/],
    [
      {'config.json': CONFIG, 'model.gguf': 'y'},
      /^ann\/gpt2: it has neither .* Its "model\.gguf" is GGUF weights/,
    ],
    [{'config.json': CONFIG, 'tf_model.h5': 'y'}, /^ann\/gpt2: it has neither .* is TensorFlow weights/],
  ])('%j is refused, and no weights are downloaded', async (files, words) => {
    hub.server.addFiles('ann/gpt2', files);
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error).toBeInstanceOf(ZttError);
    expect(error.message).toMatch(words);
    expect(hub.server.storage.requests).toEqual([]);
  });
});

describe('the cache', () => {
  it.each([
    [{HF_HUB_CACHE: 'a', HUGGINGFACE_HUB_CACHE: 'b', HF_HOME: 'c'}, 'a'],
    [{HUGGINGFACE_HUB_CACHE: 'b', HF_HOME: 'c'}, 'b'],
    [{HF_HOME: 'c', XDG_CACHE_HOME: 'd'}, 'c/hub'],
    [{XDG_CACHE_HOME: 'd'}, 'd/huggingface/hub'],
  ])('with %j is %s', async (variables, folder) => {
    hub.publish('ann/gpt2');
    const paths = Object.entries(variables).map(([name, value]) => [name, hub.temp.path(value)]);
    const env = {HF_ENDPOINT: hub.server.endpoint, ...Object.fromEntries(paths)} as Record<string, string>;
    const {path} = await hub.fetch('ann/gpt2', {env});
    expect(path.startsWith(join(hub.temp.path(folder), 'models--ann--gpt2'))).toBe(true);
  });
});

describe('openDataset', () => {
  it('lists all files of a dataset and fetches those that are asked for, each once', async () => {
    const commit = hub.server.addFiles('datasets/ann/text', {
      'README.md': 'a dataset',
      'data/train-00000.parquet': 'train',
      'data/test #1.parquet': 'test',
    });
    const dataset = await openDataset('ann/text', hub.reach);
    expect(dataset).toMatchObject({name: 'ann/text', revision: commit});
    expect([...dataset.names].sort()).toEqual([
      '.gitattributes',
      'README.md',
      'data/test #1.parquet',
      'data/train-00000.parquet',
    ]);
    const names = ['data/train-00000.parquet', 'data/test #1.parquet'];
    const paths = await dataset.fetch(names);
    const folder = join(hub.cache, 'datasets--ann--text/snapshots', commit);
    expect(paths).toEqual(names.map((name) => join(folder, name)));
    expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(['train', 'test']);
    await dataset.fetch(names);
    expect(hub.server.filesSent).toHaveLength(2);
    const error = await errorOf(dataset.fetch(['data/none.parquet']));
    expect(error.message).toBe('the dataset ann/text has no file data/none.parquet at main.');
  });

  it('goes through a listing of many pages', async () => {
    await hub.server.stop();
    const {HubServer} = await import('../../helpers/hub-server.js');
    hub.server = await HubServer.start({token: TOKEN, namespaces: [], pageEntries: 3});
    const names = Array.from({length: 10}, (_, i) => `part-${i}.txt`);
    hub.server.addFiles('datasets/ann/text', Object.fromEntries(names.map((name) => [name, name])));
    const dataset = await openDataset('ann/text', hub.reach);
    expect(dataset.names).toHaveLength(11);
    expect(hub.server.routesTaken.filter((route) => route === 'tree')).toHaveLength(4);
  });

  it.each(['a b', 'ann/text@', './text'])('refuses %j', async (text) => {
    expect(await errorOf(openDataset(text, hub.reach))).toBeInstanceOf(UsageError);
  });
});

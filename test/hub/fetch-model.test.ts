import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {etagOf} from '../helpers/hub-repos.js';
import {FetchFixture, GPT2, sameBytes} from './fetch-fixture.js';

const hub = new FetchFixture();

describe('fetchModel', () => {
  it('brings a model into the cache as Python lays it out, by its commit', async () => {
    const commit = hub.publish('ann/gpt2');
    const fetched = await hub.fetch('ann/gpt2');
    const folder = join(hub.cache, 'models--ann--gpt2');
    expect(fetched).toEqual({path: join(folder, 'snapshots', commit), name: 'ann/gpt2', revision: commit});
    const {files} = hub.server.repos.get('ann/gpt2')!.commits.at(-1)!;
    const names = ['config.json', 'generation_config.json', 'model.safetensors'];
    const repo = 'home/hub/models--ann--gpt2';
    expect(hub.listing()).toEqual({
      ...Object.fromEntries(
        names.flatMap((name) => {
          const etag = etagOf(files.get(name)!);
          return [
            [`${repo}/blobs/${etag}`, files.get(name)!.content.byteLength],
            [`${repo}/snapshots/${commit}/${name}`, `-> ../../blobs/${etag}`],
          ];
        }),
      ),
      [`${repo}/refs/main`]: 40,
    });
    expect(readFileSync(join(folder, 'refs/main'), 'utf8')).toBe(commit);
    for (const name of names) expect(sameBytes(join(fetched.path, name), join(GPT2, name))).toBe(true);
    expect(hub.server.filesSent.sort()).toEqual(names);
    expect(hub.notes).toEqual([]);
  });
});

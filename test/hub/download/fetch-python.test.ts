import {spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {openDataset} from '../../../src/hub/index.js';
import {CONFIG} from '../../helpers/hub-repos.js';
import {FetchFixture, GPT2, sameBytes, TOKEN} from '../fetch-fixture.js';

/** A Python that has huggingface_hub. */
const PYTHON = process.env.ZTT_TEST_PYTHON;
const WHY = PYTHON ? '' : ' (skipped: ZTT_TEST_PYTHON names no Python with huggingface_hub)';

const hub = new FetchFixture();
const NAMES = ['config.json', 'generation_config.json', 'model.safetensors'];

let commit: string;
beforeEach(() => {
  commit = hub.publish('ann/gpt2');
});

const PRELUDE = 'import json, sys\nfrom huggingface_hub import *\nfrom huggingface_hub.errors import *\n';

interface PythonRun {
  /** What the last line printed is in JSON. */
  result: unknown;
  code: number | null;
}

function python(
  program: string,
  env: Record<string, string> = {},
  onOutput?: (kill: () => void) => void,
): Promise<PythonRun> {
  const child = spawn(PYTHON!, ['-c', PRELUDE + program], {
    env: {
      PATH: process.env.PATH,
      HF_HUB_DISABLE_TELEMETRY: '1',
      HF_HUB_DISABLE_PROGRESS_BARS: '1',
      ...hub.env,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    onOutput?.(() => child.kill('SIGKILL'));
  });
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      const last = output.trim().split('\n').at(-1) ?? '';
      if (code !== 0 && !onOutput) reject(new Error(errors));
      else resolve({result: code === 0 ? JSON.parse(last) : null, code});
    });
  });
}

const snapshot = (options = '') => `print(json.dumps(snapshot_download("ann/gpt2"${options})))`;
const OURS = `, allow_patterns=${JSON.stringify(NAMES)}`;

describe.skipIf(!PYTHON)(`Python's huggingface_hub at the same Hub${WHY}`, () => {
  it('leaves a cache that nothing is downloaded to again, online or offline', async () => {
    const {result} = await python(snapshot());
    const sent = hub.server.filesSent.length;
    const fetched = await hub.fetch('ann/gpt2');
    expect(fetched.path).toBe(result);
    expect(hub.server.filesSent).toHaveLength(sent);
    expect(await hub.fetch('ann/gpt2', {env: {...hub.env, HF_HUB_OFFLINE: '1'}})).toEqual(fetched);
    for (const name of NAMES) expect(sameBytes(join(fetched.path, name), join(GPT2, name))).toBe(true);
  });

  it('finds in the cache what ztt fetched, and downloads none of it again', async () => {
    const {path} = await hub.fetch('ann/gpt2');
    expect((await python(snapshot(OURS))).result).toBe(path);
    const program = `print(json.dumps([hf_hub_download("ann/gpt2", name) for name in ${JSON.stringify(NAMES)}]))`;
    expect((await python(program)).result).toEqual(NAMES.map((name) => join(path, name)));
    expect(hub.server.filesSent.sort()).toEqual(NAMES);
  });

  it('finds it offline too, by branch and by commit', async () => {
    const {path} = await hub.fetch('ann/gpt2');
    const offline = {HF_HUB_OFFLINE: '1'};
    expect((await python(snapshot(), offline)).result).toBe(path);
    const byCommit = `, revision="${commit}", local_files_only=True`;
    expect((await python(snapshot(byCommit), offline)).result).toBe(path);
    const program =
      'print(json.dumps(hf_hub_download("ann/gpt2", "model.safetensors", local_files_only=True)))';
    expect((await python(program)).result).toBe(join(path, 'model.safetensors'));
  });

  it('sees a sound cache: repo, commit, revisions, files and sizes', async () => {
    hub.server.repos.get('ann/gpt2')!.refs.set('refs/pr/1', commit);
    await hub.fetch('ann/gpt2');
    await hub.fetch('ann/gpt2@refs/pr/1');
    const program = `
found = scan_cache_dir()
print(json.dumps({"warnings": [str(w) for w in found.warnings], "repos": [
    [r.repo_id, r.repo_type, [[v.commit_hash, sorted(v.refs), sorted(f.file_name for f in v.files), v.size_on_disk] for v in r.revisions]]
    for r in found.repos]}))`;
    const {files} = hub.server.repos.get('ann/gpt2')!.commits.at(-1)!;
    const bytes = NAMES.reduce((sum, name) => sum + files.get(name)!.content.byteLength, 0);
    expect((await python(program)).result).toEqual({
      warnings: [],
      repos: [['ann/gpt2', 'model', [[commit, ['main', 'refs/pr/1'], NAMES, bytes]]]],
    });
  });

  it('takes only what is missing, both ways', async () => {
    await python('print(json.dumps(hf_hub_download("ann/gpt2", "model.safetensors")))');
    await hub.fetch('ann/gpt2');
    expect(hub.server.filesSent.sort()).toEqual(NAMES);
    hub.server.addFiles('ann/gpt2', {'generation_config.json': '{"new": 1}', 'README.md': 'new'});
    await hub.fetch('ann/gpt2');
    await python(snapshot());
    expect(hub.server.filesSent.sort()).toEqual(
      [...NAMES, 'generation_config.json', '.gitattributes', 'README.md', 'expected.safetensors'].sort(),
    );
  });

  it('shares a cache of files in place of links', async () => {
    const plain = {HF_HUB_DISABLE_SYMLINKS: '1'};
    const {path} = await hub.fetch('ann/gpt2', {env: {...hub.env, ...plain}});
    expect((await python(snapshot(OURS), plain)).result).toBe(path);
    expect(hub.server.filesSent.sort()).toEqual(NAMES);
    hub.server.addFiles('ann/other', {'config.json': CONFIG, 'model.safetensors': 'weights'});
    await python('print(json.dumps(snapshot_download("ann/other")))', plain);
    const sent = hub.server.filesSent.length;
    await hub.fetch('ann/other', {env: {...hub.env, ...plain}});
    expect(hub.server.filesSent).toHaveLength(sent);
  });

  it('shares datasets, private repos and old names', async () => {
    hub.server.addFiles('datasets/ann/text', {'data/train.parquet': 'train', 'data/test.parquet': 'test'});
    const dataset = await openDataset('ann/text', hub.reach);
    const [path] = await dataset.fetch(['data/train.parquet']);
    const program =
      'print(json.dumps(hf_hub_download("ann/text", "data/train.parquet", repo_type="dataset")))';
    expect((await python(program)).result).toBe(path);
    hub.publish('gpt2');
    hub.server.repos.get('gpt2')!.private = true;
    const token = {HF_TOKEN: TOKEN};
    const {result} = await python('print(json.dumps(snapshot_download("gpt2")))', token);
    const sent = hub.server.filesSent.length;
    expect((await hub.fetch('gpt2', {env: {...hub.env, ...token}})).path).toBe(result);
    expect(hub.server.filesSent).toHaveLength(sent);
  });

  it('may download the same at the same time', async () => {
    const weights = Buffer.concat(
      Array.from({length: 20_000}, (_, i) => createHash('sha256').update(`${i}`).digest()),
    );
    hub.server.addFiles('ann/gpt2', {'model.safetensors': weights});
    hub.server.storage.trouble('object', {kind: 'drip', bytes: 32_000, everyMs: 100}, 3);
    const [fetched, {result}] = await Promise.all([hub.fetch('ann/gpt2'), python(snapshot(OURS))]);
    expect(result).toBe(fetched.path);
    expect(sameBytes(join(fetched.path, 'config.json'), join(GPT2, 'config.json'))).toBe(true);
    const found = createHash('sha256').update(readFileSync(join(fetched.path, 'model.safetensors')));
    expect(found.digest('hex')).toBe(createHash('sha256').update(weights).digest('hex'));
  });

  it('makes whole what ztt broke off, and the other way round', async () => {
    hub.server.storage.trouble('object', {kind: 'cut', after: 100_000});
    hub.server.storage.trouble('object', {kind: 'cut', after: 0}, 4);
    await hub.fetch('ann/gpt2').catch(() => {});
    const blobs = join(hub.cache, 'models--ann--gpt2/blobs');
    expect(readdirSync(blobs).filter((name) => name.endsWith('.incomplete'))).toHaveLength(1);
    const {result} = await python(snapshot(OURS));
    expect(sameBytes(join(result as string, 'model.safetensors'), join(GPT2, 'model.safetensors'))).toBe(
      true,
    );

    hub.server.addFiles('ann/other', {
      'config.json': CONFIG,
      'model.safetensors': Buffer.alloc(300_000, 'abc'),
    });
    hub.server.storage.trouble('object', {kind: 'silence', after: 100_000});
    const program = `
import threading, time
threading.Thread(target=lambda: hf_hub_download("ann/other", "model.safetensors"), daemon=True).start()
time.sleep(3); print("now", flush=True); time.sleep(60)`;
    expect((await python(program, {}, (kill) => kill())).code).toBe(null);
    const {path} = await hub.fetch('ann/other');
    expect(
      (await import('node:fs'))
        .readFileSync(join(path, 'model.safetensors'))
        .equals(Buffer.alloc(300_000, 'abc')),
    ).toBe(true);
  });

  it('finds its own errors in what the test Hub refuses, as at the real one', async () => {
    hub.server.repos.get('ann/gpt2')!.gated = 'asked';
    const kinds = `
def kind(*args, **more):
    try: return hf_hub_download(*args, **more)
    except Exception as error: return type(error).__name__
print(json.dumps([kind("ann/gpt2", "config.json"), kind("ann/none", "config.json"), kind("ann/x", "none.json"),
    kind("ann/x", "config.json", revision="v9"), kind("ann/closed", "config.json")]))`;
    hub.server.addFiles('ann/x', {'config.json': CONFIG});
    hub.server.addFiles('ann/closed', {'config.json': CONFIG});
    hub.server.repos.get('ann/closed')!.disabled = true;
    expect((await python(kinds, {HF_TOKEN: TOKEN})).result).toEqual([
      'GatedRepoError',
      'RepositoryNotFoundError',
      'RemoteEntryNotFoundError',
      'RevisionNotFoundError',
      'LocalEntryNotFoundError',
    ]);
  });
});

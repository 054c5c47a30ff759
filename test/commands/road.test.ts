import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import type {EvalReport} from '../../src/eval/index.js';
import type {FinetuneReport} from '../../src/finetune/index.js';
import type {ConvertReport, ModelDescription, RevertReport} from '../../src/index.js';
import {expected} from '../tokenizer/cases.js';
import type {Generated} from '../../src/commands/generate.js';
import type {PushReport} from '../../src/hub/index.js';
import {HubServer} from '../helpers/hub-server.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk} from './cli.js';

const GPT2 = join(ORACLE, 'gpt2');
const BOOKS = join(FIXTURES, 'gpt2-books');
/** Known to run everywhere, and what `auto` says depends on the machine. */
const WASM = ['--engine', 'wasm'];

const temp = sharedTempFolder();

/** The sha256 of every tensor's bytes, by name. */
async function digests(file: string): Promise<Map<string, string>> {
  const opened = await SafetensorsFile.open(file);
  const found = new Map<string, string>();
  for (const [name, info] of opened.tensors) {
    const hash = createHash('sha256').update(`${info.dtype} ${info.shape.join()} `);
    for await (const chunk of opened.chunks(name)) hash.update(chunk);
    found.set(name, hash.digest('hex'));
  }
  await opened.close();
  return found;
}

describe('convert, info, revert', () => {
  it('goes there and back, every byte the same', async () => {
    const [there, back] = [temp.path('vanilla'), temp.path('back')];
    const converted = await cliJson<ConvertReport>(['convert', GPT2, '-o', there, '--layout', 'vanilla']);
    expect(converted).toMatchObject({layout: 'vanilla', cycles: 1, slots: 5, verified: 'bytes'});
    const info = await cliJson<ModelDescription>(['info', there]);
    expect(info).toMatchObject({kind: 'ztt', family: 'gpt2', layout: 'vanilla', source: {name: 'gpt2'}});
    expect(info.flopsPerToken.ratioToSource).toBe(1);
    const reverted = await cliJson<RevertReport>(['revert', there, '-o', back]);
    expect(reverted).toMatchObject({layers: 5, unrolled: false, divergence: null, folded: []});
    const before = await digests(join(GPT2, 'model.safetensors'));
    const after = await digests(join(back, 'model.safetensors'));
    expect(after).toEqual(new Map([...before].filter(([name]) => !reverted.dropped.includes(name))));
    expect(after.size).toBeGreaterThan(60);
  });

  it('passes its flags on', async () => {
    const output = temp.path('ztt');
    const flags = '--layout ztt --head 2 --tail 1 --middle-layers 1 --share average --cycles 3';
    const report = await cliJson<ConvertReport>(
      `convert ${GPT2} -o ${output} ${flags} --zero-init zeros --seed 5 --verify none`.split(' '),
    );
    expect(report).toMatchObject({head: 2, middle: 1, tail: 1, cycles: 3, share: 'average', slots: 6});
    expect(report).toMatchObject({verified: 'none', certificate: null});
    const info = await cliJson<ModelDescription>(['info', output]);
    expect(info.zeroInit).toEqual({kind: 'zeros', seed: 5});
    expect(info.middleSources).toEqual([[2, 3]]);
    expect(info.slots.map(({part, cycle}) => `${part} ${cycle}`)).toEqual([
      'head 1',
      'head 1',
      'middle 1',
      'middle 2',
      'middle 3',
      'tail 1',
    ]);
  });

  it('tells people what became of the model, and what to do next', async () => {
    const output = temp.path('told');
    const {stdout, stderr} = await cliOk(['convert', GPT2, '--output', output]);
    expect(stdout).toContain('ztt: head 1, 3 middle layers in 2 cycles, tail 1');
    expect(stdout).toMatch(/parameters +68,352 .* 1\.00x the source's/);
    expect(stdout).toMatch(/FLOPs a token .* 1\.58x the source's/);
    expect(stdout).toMatch(/tensors +64 copied, 1 made\n/);
    expect(stdout).toMatch(
      /verified +read back from the disk: 64 tensors with the source's bytes, by sha256\n/,
    );
    expect(stderr).toBe(`Next: ztt info ${output}, or ztt finetune ${output} --output run --data FILE\n`);
    const info = await cliOk(['info', output]);
    expect(info.stdout).toContain('8: head.0, 2 x (middle.0 to middle.2), tail.0');
    const sha256 = createHash('sha256')
      .update(readFileSync(join(GPT2, 'model.safetensors')))
      .digest('hex');
    expect(info.stdout).toContain(sha256);
    const plain = temp.path('plain');
    const reverted = await cliOk(['revert', output, '-o', plain, '--unroll', '--drop-zero-tokens', ...WASM]);
    expect(reverted.stdout).toMatch(/layers +8, cycles written out/);
    expect(reverted.stdout).toMatch(/mean KL 0\.\d+ nats a token/);
  });

  it('describes a source in shards as it is', async () => {
    const info = await cliJson<ModelDescription>(['info', join(ORACLE, 'gpt2-sharded')]);
    expect(info).toMatchObject({kind: 'source', layout: 'vanilla', source: null, parameters: {all: 68096}});
    expect(info.files).toHaveLength(8);
  });
});

describe('generate', () => {
  const prompt = ['--prompt', 'She said that', '--max-new-tokens', '8'];

  it('continues a text greedily, and prints it as it comes', async () => {
    const result = await cliJson<Generated>(['generate', BOOKS, ...prompt, ...WASM]);
    expect(result.text).toBe(' she was a little girl.\n"');
    expect(result).toMatchObject({finish: 'length', slots: Array<number>(8).fill(8), engine: 'wasm'});
    const {stdout, stderr} = await cliOk(['generate', BOOKS, ...prompt, ...WASM]);
    expect(stdout).toBe(`She said that${result.text}\n`);
    expect(stderr).toMatch(/engine wasm .*: as asked\n8 tokens in .*, 8\.0 of 8 slots a token\n$/);
  });

  it('begins as the tokenizer does, without showing it: OPT, whose </s> is in front', async () => {
    const {prompt, ids, text} = expected.generated[0]!;
    const command = ['generate', join(FIXTURES, 'opt-tiny'), '--prompt', prompt, ...WASM];
    const result = await cliJson<Generated>([...command, '--max-new-tokens', String(ids.length)]);
    expect(result).toMatchObject({text, ids, prompt});
    expect(result.promptIds[0]).toBe(2);
    const {stdout} = await cliOk([...command, '--max-new-tokens', '3']);
    expect(stdout).toBe(`${prompt}${text.slice(0, '\ufffd dis\x1a'.length)}\n`);
  });

  it('exits early where a threshold lets it', async () => {
    const output = temp.path('books-ztt');
    await cliOk(['convert', BOOKS, '-o', output]);
    const result = await cliJson<Generated>(['generate', output, ...prompt, '--threshold', '0.01', ...WASM]);
    expect(result.slots).toEqual(Array<number>(8).fill(8));
    expect(result.cycles).toEqual(Array<number>(8).fill(1));
    const whole = await cliJson<Generated>(['generate', output, ...prompt, '--threshold', '1', ...WASM]);
    expect(whole.slots).toEqual(Array<number>(8).fill(14));
    const one = await cliJson<Generated>(['generate', output, ...prompt, '--max-cycles', '1', ...WASM]);
    expect(one).toMatchObject({slots: Array<number>(8).fill(8), cycles: Array<number>(8).fill(1)});
    expect(one.text).toBe(result.text);
    const {stdout, stderr} = await cliOk([
      ...['generate', output, ...prompt, '--threshold', '0.01', '--show-depth', ...WASM],
    ]);
    expect(stdout).toBe(`She said that[1]${result.text}\n`);
    expect(stderr).toContain('[N]: from here on, tokens that took N cycles\n');
  });

  it('draws the same tokens from the same seed, and says which it was', async () => {
    const sampling = ['--temperature', '1.5', '--top-k', '50', '--top-p', '0.9', ...WASM];
    const first = await cliJson<Generated>(['generate', BOOKS, ...prompt, ...sampling]);
    expect(first.seed).toBeGreaterThanOrEqual(0);
    const again = ['generate', BOOKS, '--prompt', 'She said that', '--max-tokens', '8', ...sampling];
    const {stdout, stderr} = await cliOk([...again, '--seed', String(first.seed)]);
    expect(stdout).toBe(`She said that${first.text}\n`);
    expect(stderr).toContain(`seed ${first.seed}\n`);
  });
});

describe('engines', () => {
  it('lists each, with its reason where it cannot run', async () => {
    const {stdout, stderr} = await cliOk(['engines']);
    expect(stdout).toMatch(/^engine +available +version +threads +device\n/);
    expect(stdout).toMatch(/\nwasm +yes +\d/);
    expect(stdout).toMatch(/engine webgpu cannot run: /);
    expect(stderr).toBe('');
  });
});

describe('push', () => {
  it('says what would go, and reaches nothing', async () => {
    const {stdout} = await cliOk(['push', GPT2, 'user/name', '--dry-run']);
    expect(stdout).toMatch(/\nmodel\.safetensors +278 kB\n/);
    expect(stdout).toMatch(/\nexpected\.safetensors +left out: /);
    expect(stdout).toMatch(/Would push 3 files, .* to .*\/user\/name; nothing was sent\.\n$/);
  });

  it('uploads to the Hub that the environment names', async () => {
    const token = 'hf_abcdefghijklmnopqrstuvwxyz012345';
    const server = await HubServer.start({token, namespaces: ['ann']});
    const env = {HF_TOKEN: token, HF_ENDPOINT: server.endpoint};
    const report = await cliJson<PushReport>(['push', GPT2, 'ann/gpt2', '--private'], {env});
    expect(report).toMatchObject({repo: 'ann/gpt2', created: {repo: true, branch: false}, dryRun: false});
    expect(server.repos.get('ann/gpt2')).toMatchObject({private: true});
    const {stdout} = await cliOk(['push', GPT2, 'ann/gpt2'], {env});
    expect(stdout).toMatch(/nothing was sent\.\n$/);
    const refused = await cli(['push', GPT2, 'bob/gpt2'], {env});
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^Error: [^\n]*bob\/gpt2[^\n]*\n$/);
    await server.stop();
  });
});

describe('finetune and eval', () => {
  it('stop at Ctrl-C, go on, and measure the result', async () => {
    const data = temp.path('train.txt');
    await writeFile(data, (await readFile(join(FIXTURES, 'books_train.txt'), 'utf8')).slice(0, 20_000));
    const run = temp.path('run');
    const job = ['finetune', BOOKS, '--output', run, '--data', data, ...WASM].concat(
      '--steps 20 --batch-size 1 --seq-len 16'.split(' '),
    );
    const stopped = await cli(job, {
      onStart: (child) => {
        child.stderr!.once('data', () => child.kill('SIGINT'));
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(
      /\nError: stopped after step \d+ of 20; .*`ztt finetune .* --resume` goes on\.\n$/,
    );
    const report = await cliJson<FinetuneReport>([...job, '--resume']);
    expect(report.resumedFrom).toBeGreaterThan(0);
    expect(await readdir(run)).toContain('model.safetensors');

    const results = temp.path('results');
    const evaluated = await cliJson<EvalReport>([
      'eval',
      run,
      '--tasks',
      join(FIXTURES, 'books_word_order.jsonl'),
      '--limit',
      '3',
      '-o',
      results,
      ...WASM,
    ]);
    expect(evaluated.results['books_word_order']).toMatchObject({sample_len: 3});
    const [folder] = await readdir(results);
    const file = (await readdir(join(results, folder!))).find((name) => name.endsWith('.json'));
    const written = JSON.parse(await readFile(join(results, folder!, file!), 'utf8')) as EvalReport;
    expect(written.results).toEqual(evaluated.results);
  });

  it('prints a line for each task and threshold', async () => {
    const {stdout} = await cliOk([
      ...['eval', temp.path('books-ztt'), '--tasks', join(FIXTURES, 'books_word_order.jsonl')],
      ...['--limit', '2', '--threshold', '0.01,1', ...WASM],
    ]);
    const [head, early, full, ...rest] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^task +threshold +result +slots +FLOPs a token +of source +a question +alone$/);
    expect(early).toMatch(/^books_word_order +0\.01 +acc .* 8\.0\/14 /);
    expect(full).toMatch(/^books_word_order +1 +acc .* 14\.0\/14 /);
    expect(rest).toEqual([]);
  });
});

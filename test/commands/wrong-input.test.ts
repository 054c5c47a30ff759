import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {convert, load, revert, ZttError, type ConvertOptions} from '../../src/index.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {BAD_CHECKPOINTS} from './bad-checkpoints.js';
import {cli, expectFailure, type CliResult} from './cli.js';

const GPT2 = join(ORACLE, 'gpt2');
const BOOKS = join(FIXTURES, 'gpt2-books');
/** Some text. */
const TASK = join(FIXTURES, 'eval', 'pages.jsonl');

const temp = freshTempFolder();

/** Expects a refusal in one line, by its exit code and words. */
async function expectRefusal(work: Promise<unknown>, exitCode: number, message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ZttError);
  expect((error as ZttError).message).toMatch(message);
  expect((error as ZttError).exitCode).toBe(exitCode);
}

/** Everything in the temporary folder, hidden files too. */
const leftovers = (): string[] => readdirSync(temp.path());

describe('convert and load refuse', () => {
  it.each(BAD_CHECKPOINTS)('$what', async ({make, message}) => {
    const source = make(temp.path('source')) ?? temp.path('source');
    const before = leftovers();
    await expectRefusal(convert({source, output: temp.path('out')}), 1, message);
    await expectRefusal(load(source), 1, message);
    expect(leftovers()).toEqual(before);
  });
});

describe('convert refuses', () => {
  const cases: {
    options: Partial<ConvertOptions> & Record<string, unknown>;
    message: RegExp;
    code?: number;
  }[] = [
    {options: {layout: 'spiral' as 'ztt'}, message: /no layout "spiral"; there are vanilla, bc, htc, ztt/},
    {options: {cycles: 0}, message: /cycles is 0; it must be a whole number from 1/},
    {options: {cycles: 1.5}, message: /cycles is 1\.5/},
    {options: {cycles: NaN}, message: /cycles is NaN/},
    {options: {cycles: 1e9}, message: /cycles is 1000000000; .* to 1000/},
    {options: {head: -1}, message: /head is -1/},
    {options: {head: 2, tail: 3}, message: /head 2 \+ tail 3 leave no middle layer of the model's 5/},
    {options: {head: 9}, message: /head is 9; it must be a whole number from 0 to 5/},
    {options: {layout: 'bc', head: 1}, message: /layout bc has neither head nor tail/},
    {options: {middleLayers: 0}, message: /middle-layers is 0; it must be a whole number from 1 to/},
    {options: {middleLayers: 4}, message: /middle-layers is 4/},
    {options: {middleLayers: 2, share: 'keep'}, message: /share keep keeps all 3 middle layers/},
    {options: {share: 'most' as 'keep'}, message: /no share "most"/},
    {options: {layout: 'vanilla', cycles: 2}, message: /layout vanilla runs every layer once/},
    {options: {layout: 'vanilla', middleLayers: 2}, message: /layout vanilla keeps every layer/},
    {options: {zeroInit: 'ones' as 'zeros'}, message: /no zero-init "ones"/},
    {options: {seed: 0.5}, message: /seed is 0\.5/},
    {
      options: {source: join(ORACLE, 'galactica-style'), zeroInit: 'aligned'},
      message: /zero-init aligned needs query biases/,
    },
  ];
  it.each(cases)('$options', async ({options, message}) => {
    await expectRefusal(convert({source: GPT2, output: temp.path('out'), ...options}), 2, message);
    expect(leftovers()).toEqual([]);
  });

  it('a ZTT model', async () => {
    const source = temp.path('ztt');
    await convert({source: GPT2, output: source});
    await expectRefusal(convert({source, output: temp.path('out')}), 1, /is already a ZTT model/);
    expect(leftovers()).toEqual(['ztt']);
  });

  it('an output that holds something, and leaves it alone', async () => {
    await mkdir(temp.path('out'));
    writeFileSync(temp.path('out', 'mine.txt'), 'mine');
    await expectRefusal(convert({source: GPT2, output: temp.path('out')}), 1, /out is not empty/);
    expect(readdirSync(temp.path('out'))).toEqual(['mine.txt']);
    expect(readFileSync(temp.path('out', 'mine.txt'), 'utf8')).toBe('mine');
  });

  it('an output that is a file, or under one', async () => {
    writeFileSync(temp.path('file'), 'mine');
    for (const output of [temp.path('file'), temp.path('file', 'out'), temp.path('file', 'a', 'b')]) {
      await expectRefusal(
        convert({source: GPT2, output}),
        1,
        /file.* cannot be the output folder: .*no folder/,
      );
    }
    expect(leftovers()).toEqual(['file']);
    expect(readFileSync(temp.path('file'), 'utf8')).toBe('mine');
  });
});

describe('a ZTT model whose config lies', () => {
  const lies: [string, unknown, RegExp][] = [
    ['cycles', 1e9, /config\.json at ztt\.cycles: /],
    ['version', 2, /config\.json at ztt\.version: this version of ztt reads config version 1/],
    ['layout', 'spiral', /config\.json at ztt\.layout: /],
    ['head', 4, /config\.json: .*leave no middle layer|config\.json: middle_sources/],
    ['middle', 2, /middle_sources does not describe 2 of 5 layers/],
    ['middle_sources', [[1], [2], [99]], /middle_sources does not describe 3 of 5 layers/],
    ['cycles', 3, /zero_tokens\.key is \[8, 4, 8\], not \[11, 4, 8\]/],
    ['source', {}, /config\.json at ztt\.source\./],
  ];
  it.each(lies)('%s %j is refused', async (key, value, message) => {
    const model = temp.path('ztt');
    await convert({source: GPT2, output: model});
    const path = join(model, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as {ztt: Record<string, unknown>};
    config.ztt[key] = value;
    writeFileSync(path, JSON.stringify(config));
    await expectRefusal(load(model), 1, message);
    await expectRefusal(revert({model, output: temp.path('out')}), 1, message);
    expect(leftovers()).toEqual(['ztt']);
  });
});

describe('revert refuses', () => {
  it('a plain model', async () => {
    await expectRefusal(revert({model: GPT2, output: temp.path('out')}), 1, /is a plain gpt2 model already/);
  });

  it('to change a model without permission', async () => {
    const model = temp.path('ztt');
    await convert({source: GPT2, output: model});
    const output = temp.path('out');
    await expectRefusal(revert({model, output}), 2, /needs --unroll .* and --drop-zero-tokens/);
    await expectRefusal(revert({model, output, unroll: true}), 2, /needs --drop-zero-tokens/);
    await expectRefusal(revert({model, output, dropZeroTokens: true}), 2, /needs --unroll/);
    const permitted = {model, output, unroll: true, dropZeroTokens: true};
    await expectRefusal(revert({...permitted, engine: 'webgpu'}), 1, /engine webgpu cannot run: /);
    await expectRefusal(
      revert({...permitted, output: temp.path('new', 'out'), engine: 'abacus'}),
      2,
      /no engine "abacus"/,
    );
    expect(leftovers()).toEqual(['ztt']);
  });
});

describe('load refuses', () => {
  it('an engine that is unknown, or cannot run, and thread counts that cannot be', async () => {
    await expectRefusal(load(GPT2, {engine: 'abacus'}), 2, /no engine "abacus"; there are auto, /);
    await expectRefusal(load(GPT2, {engine: 'native', device: '0'}), 2, /engine native takes no device/);
    await expectRefusal(load(GPT2, {engine: 'wasm', threads: 2}), 1, /wasm runs on one thread/);
    for (const threads of [0, -1, 1.5, NaN]) {
      await expectRefusal(load(GPT2, {threads}), 2, /threads is .* whole number from 1/);
    }
  });
});

/** Without the note that says which engine was taken. */
const withoutEngine = (result: CliResult): CliResult => ({
  ...result,
  stderr: result.stderr.replace(/^engine wasm .*\n/, ''),
});

describe('the command line', () => {
  const generate = ['generate', BOOKS, '--prompt', 'x'];
  const wrongUse: [args: string[], message: RegExp][] = [
    [['frobnicate'], /there is no command frobnicate; see `ztt --help`/],
    [['train', GPT2], /there is no command train; did you mean finetune\? See `ztt --help`/],
    [['convret', GPT2], /there is no command convret; did you mean convert\?/],
    [
      ['convert', GPT2, '-o', 'OUT', '--cylces', '2'],
      /there is no flag --cylces; did you mean --cycles\? See/,
    ],
    [['finetune', GPT2, '-o', 'OUT', '--data', 'a', '--iters', '5'], /--iters; did you mean --steps\?/],
    [
      ['compare', GPT2, '-o', 'OUT', '--data', 'a', '--steps', '5', '--lr', '1'],
      /--lr; did you mean --axis lr=\?/,
    ],
    [
      ['compare', GPT2, '-o', 'OUT', '--data', 'a', '--steps', '5', '--axis', 'cycle=1'],
      /axis cycle; did you mean cycles\?/,
    ],
    [['convert'], /SOURCE is missing; see `ztt convert --help`/],
    [['convert', GPT2], /flag --output is missing; see `ztt convert --help`/],
    [['convert', GPT2, '-o', 'OUT', '--spin'], /there is no flag --spin/],
    [['convert', GPT2, 'more', '-o', 'OUT'], /unexpected argument more/],
    [['convert', GPT2, '-o'], /flag --output needs a value/],
    [['convert', GPT2, '-o', 'OUT', '-o', 'OUT2'], /flag --output is given twice/],
    [
      ['convert', GPT2, '-o', 'OUT', '--layout', 'spiral'],
      /--layout is spiral; it must be one of vanilla, bc/,
    ],
    [
      ['convert', GPT2, '-o', 'OUT', '--cycles', '0'],
      /--cycles is "0"; it must be a whole number from 1 to 1000/,
    ],
    [['convert', GPT2, '-o', 'OUT', '--cycles', '1.5'], /--cycles is "1\.5"/],
    [['convert', GPT2, '-o', 'OUT', '--head', '3', '--tail', '2'], /head 3 \+ tail 2 leave no middle layer/],
    [['convert', GPT2, '-o', 'OUT', '--seed', '9007199254740993'], /--seed is "9007199254740993"/],
    [['generate', BOOKS, '--prompt', ''], /--prompt is empty/],
    [[...generate, '--threads', '0'], /--threads is "0"; it must be a whole number from 1 to 1024/],
    [[...generate, '--engine', 'abacus'], /--engine is abacus; it must be one of auto, /],
    [[...generate, '--threshold', '0'], /--threshold is "0"; it must be a number above 0 and at most 1/],
    [[...generate, '--threshold', '50%'], /--threshold is "50%"/],
    [[...generate, '--threshold', '0.5'], /threshold 0.5 cannot be: layout vanilla has no zero tokens/],
    [[...generate, '--temperature', '-1'], /--temperature is "-1"; it must be a number from 0/],
    [[...generate, '--temperature', '0', '--top-k', '3'], /temperature 0 draws nothing/],
    [[...generate, '--top-p', '1.1'], /--top-p is "1.1"; it must be a number above 0 and at most 1/],
    [[...generate, '--top-k', '0'], /--top-k is "0"; it must be a whole number from 1/],
    [[...generate, '--seed', '-3'], /--seed is "-3"; it must be a whole number from 0/],
    [
      [...generate, '--exit-score', 'odds'],
      /--exit-score is odds; it must be one of zero-attention, length-normalised/,
    ],
    [[...generate, '--max-cycles', '0'], /--max-cycles is "0"; it must be a whole number from 1/],
    [['eval', BOOKS, '--tasks', 'a.jsonl', '--threshold', '0.5,,1'], /--threshold is ""/],
    [
      ['eval', BOOKS, '--tasks', 'a.jsonl', '--slot-threshold', '9=2'],
      /--slot-threshold is "9=2"; it must be a/,
    ],
    [['eval', BOOKS, '--tasks', 'a.jsonl', '--slot-threshold', '-1=0.5'], /--slot-threshold is "-1=0.5"/],
    [
      ['eval', BOOKS, '--tasks', 'a.jsonl', '--slot-threshold', '9=0.3,9=0.4'],
      /--slot-threshold gives slot 9 twice/,
    ],
    [
      ['eval', BOOKS, '--tasks', 'a.jsonl', '--slot-threshold', '9=0.3', '--budget', '1.2'],
      /--budget=1.2 cannot also be provided when using --slot-threshold/,
    ],
    [
      [...generate, '--slot-threshold', '9=0.3'],
      /slot threshold 9=0.3 cannot be: layout vanilla has no zero/,
    ],
    [['finetune', '--output', 'OUT', '--data', 'a.txt', BOOKS], /MODEL is missing \(it stands before --data/],
    [['finetune', BOOKS, '-o', 'OUT', '--data', 'a.txt', '--lr', '-1'], /--lr is "-1"/],
    [['eval', BOOKS, '--tasks', 'nowhere.jsonl', '--engine', 'wasm'], /nowhere\.jsonl/],
    [['push', GPT2, 'name-only', '--dry-run'], /"name-only" is no repo id/],
  ];
  it.each(wrongUse)('calls %j wrong usage', async (args, message) => {
    expectFailure(withoutEngine(await cli(args, {cwd: temp.path()})), 2, message);
    expect(leftovers()).toEqual([]);
  });

  const failures: [args: string[], message: RegExp][] = [
    [['convert', './nowhere', '-o', 'OUT'], /\.\/nowhere does not exist; give a folder/],
    [['convert', 'runs/2024/model', '-o', 'OUT'], /runs\/2024\/model does not exist; give a folder/],
    [
      ['eval', 'my model', '--tasks', 'T'],
      /my model does not exist here, and is no repo of the Hub: only letters/,
    ],
    [['info', join(GPT2, 'config.json')], /config\.json is no \.safetensors or \.bin file/],
    [['revert', GPT2, '-o', 'OUT'], /is a plain gpt2 model already/],
    [[...generate, '--engine', 'webgpu'], /engine webgpu cannot run: /],
    [
      [...generate, '--engine', 'tensorflow'],
      /engine tensorflow cannot run: .*`ztt engines install tensorflow/,
    ],
    [
      ['generate', GPT2, '--prompt', 'x'],
      /gpt2 has no tokenizer: neither tokenizer\.json nor vocab\.json with merges\.txt/,
    ],
    [['eval', GPT2, '--tasks', TASK], /gpt2 has no tokenizer: neither/],
    [['finetune', GPT2, '-o', 'OUT', '--data', TASK], /gpt2 has no tokenizer: neither/],
    [['finetune', BOOKS, '-o', 'OUT', '--data', 'nowhere.txt'], /nowhere\.txt/],
    [['push', './nowhere', 'user/name', '--dry-run'], /\.\/nowhere does not exist/],
  ];
  it.each(failures)('fails at %j', async (args, message) => {
    expectFailure(withoutEngine(await cli(args, {cwd: temp.path()})), 1, message);
    expect(leftovers()).toEqual([]);
  });

  it('prints an error as JSON too under --json, with the same exit code', async () => {
    const {code, stdout, stderr} = await cli(['info', './nowhere', '--json'], {cwd: temp.path()});
    expect(code).toBe(1);
    const message =
      './nowhere does not exist; give a folder with config.json and weights, or a repo of the Hub.';
    expect(JSON.parse(stdout)).toEqual({error: {name: 'FileError', message, exitCode: 1}});
    expect(stderr).toBe(`Error: ${message}\n`);
    const usage = await cli(['convert', GPT2, '-o', 'OUT', '--cycles', '0', '--json'], {cwd: temp.path()});
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.stdout)).toMatchObject({error: {name: 'UsageError', exitCode: 2}});
  });

  it('prints no terminal escapes that a file holds', async () => {
    const {make, message} = BAD_CHECKPOINTS.find(({what}) => what.includes('escape'))!;
    make(temp.path('source'));
    const result = await cli(['info', temp.path('source')]);
    expectFailure(result, 1, message);
    expect(result.stderr).not.toMatch(/\p{Cc}(?!$)/u);
  });

  it('shows the stack under DEBUG', async () => {
    const {code, stderr} = await cli(['info', './nowhere'], {cwd: temp.path(), env: {DEBUG: '1'}});
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: \.\/nowhere .*\nFileError: .*\n {4}at /);
  });
});

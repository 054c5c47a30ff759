import {cp, mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {parse} from 'yaml';
import {beforeEach, describe, expect, it} from 'vitest';
import {makeCard, type CardOptions} from '../../src/card/index.js';
import {splitFrontMatter} from '../../src/checkpoint/index.js';
import {writeFilesWhole} from '../../src/files/index.js';
import {convert} from '../../src/convert/index.js';
import {FileError, FormatError, UsageError} from '../../src/errors.js';
import {ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {expectHubMetadata} from './hub-metadata.js';
import {editConfig, writeResultsFor} from './fixtures.js';

const REPO = 'ann/my-model';

const temp = freshTempFolder();
let folder: string;
beforeEach(async () => {
  folder = temp.path('model');
  await convert({source: join(ORACLE, 'gpt2'), output: folder, layout: 'ztt', cycles: 2});
});

const path = () => join(folder, 'README.md');
const readme = () => readFile(path(), 'utf8');
const metadataOf = (text: string) => parse(splitFrontMatter(text).yaml!) as Record<string, unknown>;

/** Makes the card and writes it, as a push does. */
async function remake(options: Partial<CardOptions> = {}): Promise<string> {
  await writeFilesWhole(folder, (await makeCard({folder, repo: REPO, ...options}))!);
  return readme();
}

/** Converts anew, from a source that has a model card and came from the Hub. */
async function convertWithCard(card: string): Promise<void> {
  const source = temp.path('source');
  await cp(join(ORACLE, 'gpt2'), source, {recursive: true});
  await writeFile(join(source, 'README.md'), card);
  await rm(folder, {recursive: true});
  const origin = {name: 'openai-community/gpt2', revision: 'a'.repeat(40)};
  await convert({source, origin, output: folder, layout: 'ztt', cycles: 2});
}

describe('what a card says', () => {
  it('is metadata by the Hub’s rules, with results, license, languages and the base model', async () => {
    await convertWithCard('---\nlicense: mit\nlanguage:\n- en\n- no\nlibrary_name: x\n---\n# GPT-2\n');
    await writeResultsFor(folder, temp.path('results.json'));
    const text = await remake({results: [temp.path('results.json')]});
    const metadata = metadataOf(text);
    expectHubMetadata(metadata);
    expect(metadata).toMatchObject({
      base_model: 'openai-community/gpt2',
      base_model_relation: 'finetune',
      library_name: 'transformers',
      pipeline_tag: 'text-generation',
      license: 'mit',
      language: ['en', 'no'],
    });
    expect(splitFrontMatter(text).yaml).toContain('- "no"');
    expect(metadata['model-index']).toEqual([
      {
        name: 'my-model',
        results: [
          {
            task: {type: 'text-generation', name: 'Text generation'},
            dataset: {type: 'baber/piqa', name: 'piqa', split: 'validation'},
            metrics: [
              {type: 'accuracy', value: 0.5, name: "acc at threshold 1 (1.70x the source's FLOPs)"},
              {type: 'accuracy', value: 0.25, name: "acc at threshold 0.2 (1.10x the source's FLOPs)"},
            ],
          },
        ],
      },
    ]);
    expect(text).toContain('| piqa | 0.2 | acc 0.25 ± 0.13 | 11 | 1.1 M | 1.10x |');
    expect(text).toContain('the first 8 of 80 rows of validation');
    expect(text).toContain('[ztt_certificate.json](ztt_certificate.json) lists each');
    const plot = await readFile(join(folder, 'ztt_accuracy.svg'), 'utf8');
    expect(plot).toMatch(/^<svg\s+xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(plot.match(/<circle/g)).toHaveLength(2);
  });

  it('has no base model for a local source, unless told, which stays', async () => {
    expect(metadataOf(await remake())).not.toHaveProperty('base_model');
    await remake({baseModel: 'openai-community/gpt2'});
    const metadata = metadataOf(await remake());
    expectHubMetadata(metadata);
    expect(metadata).toMatchObject({base_model: 'openai-community/gpt2', base_model_relation: 'finetune'});
    await expect(remake({baseModel: '/home/ann/gpt2'})).rejects.toThrow(UsageError);
  });

  it('keeps results and run beside the model, without paths, for the next card', async () => {
    await mkdir(temp.path('data'));
    await writeResultsFor(folder, temp.path('results.json'), 'json');
    await writeFile(
      join(folder, 'config.yaml'),
      `model: ${temp.path('m')}\ndata: [${temp.path('data/books.txt')}, Salesforce/wikitext:wikitext-2-raw-v1=2]\n` +
        'steps: 9\nbatch-size: 4\naccumulate: 2\nseq-len: 64\ntrain: all\nlr: 0.0001\nlr-schedule: cosine\nseed: 0\n',
    );
    const held = (loss: number) => ({loss, zero_attention: [], exits: [], blocks: 1, seconds: 1});
    const lines = [
      {step: 0, held_out: held(5)},
      {step: 9, loss: 3.5, flops: 1e9, held_out: held(4)},
    ];
    await writeFile(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const first = await remake({results: [temp.path('results.json')]});
    const metadata = metadataOf(first);
    expectHubMetadata(metadata);
    expect(metadata.datasets).toEqual(['Salesforce/wikitext']);
    expect(first).toContain(
      '[Salesforce/wikitext](https://huggingface.co/datasets/Salesforce/wikitext), `books.txt`',
    );
    expect(first).toContain('| held-out loss, full depth | 5 before, 4 nats a token at the end |');
    for (const name of ['README.md', 'ztt_results.json', 'ztt_run.json', 'ztt_accuracy.svg']) {
      expect(await readFile(join(folder, name), 'utf8')).not.toMatch(/\/home\/|\/tmp\//);
    }
    await rm(join(folder, 'config.yaml'));
    await rm(join(folder, 'metrics.jsonl'));
    expect(await remake()).toBe(first);
  });

  it('is none of a plain checkpoint, and no results of another model', async () => {
    expect(await makeCard({folder: join(ORACLE, 'gpt2'), repo: REPO})).toBeNull();
    await writeResultsFor(folder, temp.path('results.json'));
    const other = temp.path('other');
    await convert({source: join(ORACLE, 'gpt2'), output: other, layout: 'ztt', cycles: 3});
    const make = makeCard({folder: other, repo: REPO, results: [temp.path('results.json')]});
    await expect(make).rejects.toThrow(/results of another model \(ztt, 2 cycles/);
  });

  it('cannot be broken by a name or a source’s card', async () => {
    await convertWithCard(
      '---\nlicense: "MIT\\n---\\n# Broken"\nlanguage: [en, "<script>", 7, {a: b}]\nlicense_name: "a\\nb"\n---\n',
    );
    await editConfig(folder, ({ztt}) => {
      ztt.source.name = '`<!-- ztt:end -->`\n---\n| x |<script>alert(1)</script>';
      ztt.source.revision = null;
    });
    const text = await remake();
    expect(metadataOf(text)).toMatchObject({language: ['en']});
    expect(metadataOf(text)).not.toHaveProperty('license');
    expect(text.match(/<!--/g)).toHaveLength(3);
    expect(text.match(/^---$/gm)).toHaveLength(2);
    expect(await remake()).toBe(text);
  });
});

describe('what a person wrote', () => {
  it('stays byte for byte around the markers, and in the metadata with its comments', async () => {
    const before = '\n# Ann’s model\n\n---\n\n<b>Mine</b>   \n\n';
    await writeFile(
      path(),
      `---\n# by hand\ntags: [books] # two or three\nlicense: cc-by-4.0\n# more to come\nthumbnail: a.png\n---\n${before}`,
    );
    const first = await remake();
    await writeFile(path(), `${first}\n## Thanks\n\nto all.`);
    await writeResultsFor(folder, temp.path('results.json'));
    const text = await remake({results: [temp.path('results.json')]});
    const {yaml, body} = splitFrontMatter(text);
    expect(body.startsWith(before)).toBe(true);
    expect(body.endsWith('<!-- ztt:end -->\n\n## Thanks\n\nto all.')).toBe(true);
    expect(yaml).toMatch(
      /^# by hand\ntags: \[ ?books ?\] # two or three\nlicense: cc-by-4.0\n# more to come\n/,
    );
    expect(metadataOf(text)).toMatchObject({
      tags: ['books'],
      thumbnail: 'a.png',
      library_name: 'transformers',
    });
    expectHubMetadata(metadataOf(text));
    expect(await remake()).toBe(text);
  });

  it('is also what was changed or taken out of what was generated; all else is made anew', async () => {
    await writeResultsFor(folder, temp.path('results.json'));
    const text = await remake({results: [temp.path('results.json')]});
    await writeFile(path(), text.replace('- gpt2\n', '- gpt2\n- mine\n').replace(/pipeline_tag: .*\n/, ''));
    await rm(join(folder, 'ztt_results.json'));
    for (let i = 0; i < 2; i++) {
      const metadata = metadataOf(await remake());
      expect(metadata.tags).toContain('mine');
      expect(metadata).not.toHaveProperty('pipeline_tag');
      expect(metadata).not.toHaveProperty('model-index');
      expect(metadata).toHaveProperty('library_name');
    }
    expect(await readme()).not.toContain('piqa');
  });

  it.each([
    ['---\ntags: [a\n---\n', /begins with metadata that is no valid YAML \(.*\); mend it/],
    ['---\n- a\n---\n', /no map of keys; mend it/],
    ['<!-- ztt:begin -->\n', /must have one <!-- ztt:begin --> and one <!-- ztt:end -->/],
    ['<!-- ztt:end --><!-- ztt:begin -->', /must have one/],
    ['<!-- ztt:begin --><!-- ztt:end --><!-- ztt:begin --><!-- ztt:end -->', /must have one/],
  ])('is not guessed at where it is broken: %j', async (text, words) => {
    await writeFile(path(), text);
    await expect(remake()).rejects.toThrow(words);
    await expect(remake()).rejects.toThrow(FormatError);
    expect(await readme()).toBe(text);
  });
});

describe('words in the repo’s README.md', () => {
  const add = (text: string, words: string) => `${text}\n${words}\n`;

  it('come over where those here are only what was generated', async () => {
    const remote = add(await remake(), 'written on the Hub');
    expect(await remake({remote})).toContain('written on the Hub');
    await rm(path());
    expect(await remake({remote: '---\nlicense: mit\n---\n'})).toMatch(/^---\nlicense: mit\n/);
  });

  it('yield to those here where nobody has touched them since they were pushed', async () => {
    await writeFile(path(), 'first words');
    const remote = await remake();
    await writeFile(path(), remote.replace('first words', 'better words'));
    const text = await remake({remote});
    expect(text).toContain('better words');
    expect(text).not.toContain('first words');
  });

  it('are not overwritten by others', async () => {
    const base = await remake();
    await writeFile(path(), add(base, 'mine'));
    await expect(remake({remote: add(base, 'theirs')})).rejects.toThrow(FileError);
    await expect(remake({remote: add(base, 'theirs')})).rejects.toThrow(/both have words of their own/);
    expect(await remake({remote: add(base, 'mine')})).toContain('mine');
  });
});

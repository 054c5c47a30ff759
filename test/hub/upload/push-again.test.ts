import {appendFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {HubError} from '../../../src/errors.js';
import type {Trouble} from '../../helpers/recording-server.js';
import {bytesOf, GPT2, PushFixture} from '../push-fixture.js';

const hub = new PushFixture();
const WEIGHTS = 'model.safetensors';
const sentObjects = () => hub.server.storage.requests.filter(({route}) => route === 'put').length;
const pathsCommitted = () => {
  const {body} = hub.server.api.requests.findLast(({route}) => route === 'commit')!;
  const operations = body.toString().split('\n').slice(1);
  return operations.map((line) => (JSON.parse(line) as {value: {path: string}}).value.path);
};

describe('a push of what the Hub has', () => {
  it('sends nothing and makes no commit where nothing has changed', async () => {
    const dir = await hub.copyOf('gpt2');
    const first = await hub.push(dir);
    const taken = hub.server.routesTaken.length;
    const report = await hub.push(dir);
    expect(hub.server.routesTaken.slice(taken)).toEqual(['info', 'tree', 'tree']);
    expect(hub.commits).toBe(2);
    expect(report).toMatchObject({commit: first.commit, bytesNotSent: await bytesOf(dir, GPT2)});
    expect(report.files.every(({unchanged}) => unchanged)).toBe(true);
  });

  it('sends only the files that have changed, also where their size has not', async () => {
    const dir = await hub.copyOf('gpt2');
    await writeFile(join(dir, 'README.md'), 'one');
    await hub.push(dir);
    await writeFile(join(dir, 'README.md'), 'two');
    const report = await hub.push(dir);
    expect(pathsCommitted()).toEqual(['README.md']);
    expect(sentObjects()).toBe(1);
    expect(report.bytesNotSent).toBe(await bytesOf(dir, GPT2));
    await hub.expectPushed(dir, [...GPT2, 'README.md']);
  });

  it('does not send weights that another repo or a push that was cut has brought', async () => {
    const dir = await hub.copyOf('gpt2');
    hub.server.api.trouble('commit', {kind: 'answer', status: 400});
    await hub.failure(dir);
    const report = await hub.push(dir);
    expect(sentObjects()).toBe(1);
    expect(report.bytesNotSent).toBe(await bytesOf(dir, [WEIGHTS]));
    expect(report.files.map(({unchanged}) => unchanged)).toEqual([false, false, false]);
    await hub.expectPushed(dir, GPT2);
  });

  it('goes on where another push was faster, and keeps what that brought', async () => {
    const dir = await hub.copyOf('gpt2');
    await hub.push(dir);
    await appendFile(join(dir, 'config.json'), '\n');
    const meanwhile = (): Trouble => {
      hub.server.addFiles('ann/model', {NOTICE: 'theirs'});
      return {kind: 'alter', change: (answer) => answer};
    };
    let asked = false;
    hub.server.api.whenAsked = () => {
      if (asked || hub.server.routesTaken.at(-1) !== 'commit') return undefined;
      asked = true;
      return meanwhile();
    };
    const report = await hub.push(dir);
    expect(report.alsoInRepo).toEqual(['.gitattributes', 'NOTICE']);
    expect(report.commit).toBe(hub.head.oid);
    expect(hub.commits).toBe(4);
    await hub.expectPushed(dir, GPT2, ['NOTICE']);
  });
});

describe('a push that is cut', () => {
  /** Requests of an undisturbed push, to both servers. */
  const REQUESTS = 9;
  const cuts = [
    ['before it is served', {kind: 'cut'}],
    ['after it was served', {kind: 'cut', after: 0}],
  ] as const;
  const cases = cuts.flatMap(([when, trouble]) =>
    Array.from({length: REQUESTS}, (_, i) => ({when, trouble, at: i + 1})),
  );

  it.each(cases)('at request $at, $when, ends whole when repeated', async ({at, trouble}) => {
    const dir = await hub.copyOf('gpt2');
    const servers = [hub.server.api, hub.server.storage];
    let count = 0;
    for (const server of servers) server.whenAsked = () => (++count === at ? trouble : undefined);
    // An answer without a body that matters is whole for all that.
    const cut = await hub.push(dir, {attempts: 1}).catch((error: unknown) => error);
    if (cut instanceof Error) expect(cut).toBeInstanceOf(HubError);
    const repo = hub.server.repos.get('ann/model');
    // All or nothing.
    if (repo && repo.commits.length > 1) await hub.expectPushed(dir, GPT2);
    await hub.push(dir);
    await hub.expectPushed(dir, GPT2);
    expect(hub.commits).toBe(2);
    expect(count).toBeGreaterThanOrEqual(REQUESTS);
  });

  it.each(cases)('at request $at, $when, heals itself, in one commit', async ({at, trouble}) => {
    const dir = await hub.copyOf('gpt2');
    let count = 0;
    for (const server of [hub.server.api, hub.server.storage]) {
      server.whenAsked = () => (++count === at ? trouble : undefined);
    }
    const report = await hub.push(dir);
    await hub.expectPushed(dir, GPT2);
    expect(hub.commits).toBe(2);
    expect(report.commit).toBe(hub.head.oid);
  });
});

import {describe, expect, it} from 'vitest';
import {HubError} from '../../../src/errors.js';
import type {Trouble} from '../../helpers/recording-server.js';
import {spoiled} from '../hostile-answers.js';
import {PushFixture, TOKEN} from '../push-fixture.js';

const hub = new PushFixture();
/** More than any push asks of one route. */
const ENOUGH = 60;
const json = (body: unknown): Trouble => ({kind: 'answer', status: 200, body});
const to = (upload: object) => json({objects: [{oid: 'x', size: 1, actions: {upload}}]});

describe('a push to a Hub that is broken or means harm', () => {
  const routes = ['info', 'tree', 'preupload', 'batch', 'commit'];
  const cases: [string, string, Trouble][] = [
    ...routes.flatMap((route) =>
      spoiled.map(([what, trouble]): [string, string, Trouble] => [route, what, trouble]),
    ),
    ['batch', 'an address that is a file', to({href: 'file:///etc/passwd'})],
    ['batch', 'no address', to({href: 'here'})],
    ['batch', 'an object that was not asked for', to({href: 'http://127.0.0.1:9/x'})],
    [
      'batch',
      'parts of no bytes',
      to({href: 'http://127.0.0.1:9/x', header: {chunk_size: '0', '00001': 'x'}}),
    ],
    ['commit', 'a commit that is none', json({commitOid: '../../x', commitUrl: 7})],
    ['commit', 'a commit that it does not have', json({commitOid: 'a'.repeat(40), commitUrl: 'x'})],
  ];

  it.each(cases)('%s answers with %s', async (route, _, trouble) => {
    hub.server.addRepo('ann/model');
    hub.server.api.trouble(route, trouble, ENOUGH);
    const error = await hub.failure(await hub.copyOf('gpt2'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message.length).toBeLessThan(1000);
    expect(error.message).not.toMatch(/\n| at .*:\d+:\d+/);
    expect(error.message).not.toContain(TOKEN);
  });
});

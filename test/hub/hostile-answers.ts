import {gzipSync} from 'node:zlib';
import type {HubServer} from '../helpers/hub-server.js';
import type {Answer, Trouble} from '../helpers/recording-server.js';

/** An answer of a Hub that is broken or means harm, and the words of the error that it must end in. */
export interface Hostile {
  what: string;
  /** Prepares the server, which has the sharded model ann/gpt2, and gives what ztt is to say. */
  prepare: (server: HubServer) => RegExp;
}

const raw = (text: string | Buffer, headers: Record<string, string> = {}): Trouble => ({
  kind: 'answer',
  status: 200,
  body: Buffer.from(text),
  headers,
});
const json = (body: unknown): Trouble => ({kind: 'answer', status: 200, body});
const alter = (change: (answer: Answer) => Answer): Trouble => ({kind: 'alter', change});
const NO_HUB = /its answer is none of a Hub/;
const MEGABYTES = 'x'.repeat(17 << 20);
/** A gigabyte of zeros, which goes over the wire as a megabyte. */
const BOMB = gzipSync(Buffer.alloc(1 << 30), {level: 1});
const ENOUGH = 60;

/** Cases of one route: the same trouble for every request. */
function on(route: string, cases: [what: string, trouble: Trouble, words: RegExp][]): Hostile[] {
  const host = (server: HubServer) => (route === 'object' ? server.storage : server.api);
  return cases.map(([what, trouble, words]) => ({
    what: `${route}: ${what}`,
    prepare: (server) => {
      host(server).trouble(route, trouble, ENOUGH);
      return words;
    },
  }));
}

/** Whatever a JSON answer can be spoiled by. */
export const spoiled: [what: string, trouble: Trouble, words: RegExp][] = [
  ['a page of HTML', raw('<html>Welcome</html>', {'content-type': 'text/html'}), NO_HUB],
  ['nothing', raw(''), NO_HUB],
  ['no content', {kind: 'answer', status: 204}, NO_HUB],
  ['half a JSON document', raw('{"sha": "0123'), NO_HUB],
  ['null', json(null), NO_HUB],
  ['a number', json(7), NO_HUB],
  ['no UTF-8', raw(Buffer.from([0xff, 0xfe, 0x7b, 0x7d])), NO_HUB],
  ['seventeen megabytes', json({sha: MEGABYTES}), /more than \d+ bytes/],
  ['a body without end', {kind: 'endless'}, /more than \d+ bytes/],
  ['a gigabyte in a megabyte', raw(BOMB, {'content-encoding': 'gzip'}), /more than \d+ bytes/],
  ['broken gzip', raw('no gzip', {'content-encoding': 'gzip'}), /cannot be reached|none of a Hub/],
  ['a nest of a million brackets', raw('['.repeat(1e6) + ']'.repeat(1e6)), NO_HUB],
  ['a redirect to itself', {kind: 'answer', status: 302, headers: {location: ''}}, /redirects without end/],
  [
    'a redirect to a file',
    {kind: 'answer', status: 302, headers: {location: 'file:///etc/passwd'}},
    /redirects to no https address/,
  ],
  [
    'a redirect to data',
    {kind: 'answer', status: 307, headers: {location: 'data:,{}'}},
    /redirects to no https address/,
  ],
  [
    'a redirect to no address',
    {kind: 'answer', status: 301, headers: {location: 'http://'}},
    /redirects to no https address/,
  ],
  ['a redirect to nowhere', {kind: 'answer', status: 302}, /refused .* \(302\)/],
  [
    'a refusal without end',
    {kind: 'endless', status: 403, headers: {'content-type': 'application/json'}},
    /403/,
  ],
  ['a refusal of seventeen megabytes', {kind: 'answer', status: 400, body: {error: MEGABYTES}}, /400/],
  [
    'a header of a megabyte',
    {kind: 'answer', status: 200, headers: {'x-error-message': 'x'.repeat(1 << 20)}},
    /cannot be reached/,
  ],
];

const COMMIT = 'a'.repeat(40);
const commits = [
  undefined,
  null,
  7,
  '',
  COMMIT.slice(1),
  `${COMMIT}a`,
  COMMIT.toUpperCase(),
  `${COMMIT.slice(1)}\n`,
  '../../../../../../tmp/evil',
  `${'../'.repeat(13)}x`,
  [COMMIT],
  {},
];

/** Listings whose entries are changed, all of them. */
const entries: [what: string, change: Record<string, unknown>, words: RegExp][] = [
  ...[
    '../../evil',
    '/etc/evil',
    'a/../../evil',
    './config.json',
    '',
    'a//b',
    'a/',
    '..',
    'a\0b',
    'x'.repeat(5000),
    7,
    null,
  ].map(
    (path) =>
      [`a file named ${JSON.stringify(path)?.slice(0, 40)}`, {path}, NO_HUB] as [string, object, RegExp] as [
        string,
        Record<string, unknown>,
        RegExp,
      ],
  ),
  ...[-1, 0.5, 1e300, '7', null, undefined, NaN].map(
    (size) =>
      [`a size of ${JSON.stringify(size)}`, {size, lfs: undefined}, NO_HUB] as [
        string,
        Record<string, unknown>,
        RegExp,
      ],
  ),
  ...['../../../../x', '', 'a'.repeat(39), 7, undefined, `${'a'.repeat(40)}/x`].map(
    (oid) =>
      [`a git hash of ${JSON.stringify(oid)}`, {oid}, NO_HUB] as [string, Record<string, unknown>, RegExp],
  ),
  ...['../../../../x', 'a'.repeat(40), 'A'.repeat(64), 7, `${'a'.repeat(63)}/`].map(
    (oid) =>
      [`an LFS hash of ${JSON.stringify(oid)}`, {lfs: {oid, size: 5}}, NO_HUB] as [
        string,
        Record<string, unknown>,
        RegExp,
      ],
  ),
  ['an LFS entry that is text', {lfs: 'x'}, NO_HUB],
  ['an LFS size below nothing', {lfs: {oid: 'a'.repeat(64), size: -5}}, NO_HUB],
  ['no type', {type: undefined}, NO_HUB],
  ['a type of its own', {type: 'symlink'}, /has no config\.json/],
  ['files larger than any disk', {size: 9e15, lfs: null}, /no such file has more than/],
];

let cursor = 0;
const nextPage =
  (link: (server: HubServer) => string): Hostile['prepare'] =>
  (server) => {
    server.api.trouble(
      'tree',
      alter((answer) => ({...answer, headers: {link: `<${link(server)}>; rel="next"`}})),
      1000,
    );
    return /its pages go in a circle|more than \d+ pages|cannot be reached|redirects|none of a Hub|refused|has no/;
  };

/** What an index of shards can name. */
const shards = [
  '../../evil.safetensors',
  '/etc/passwd',
  '..\\evil.safetensors',
  'sub/x.safetensors',
  '..',
  '',
  'nowhere.safetensors',
  'x\0.safetensors',
  7,
  null,
  {},
];

const lie = (change: (answer: Answer) => Partial<Answer>): Trouble =>
  alter((answer) => ({...answer, ...change(answer)}));
const content = (answer: Answer): Buffer => answer.body as Buffer;
const files: [what: string, trouble: Trouble, words: RegExp][] = [
  [
    'other bytes',
    lie((answer) => ({body: Buffer.alloc(content(answer).length, 7)})),
    /came with another .* twice; it was discarded/,
  ],
  [
    'fewer bytes',
    lie((answer) => ({body: content(answer).subarray(1)})),
    /comes with \d+ bytes, where the Hub lists/,
  ],
  [
    'more bytes',
    lie((answer) => ({body: Buffer.concat([content(answer), Buffer.alloc(9)])})),
    /comes with \d+ bytes, where the Hub lists/,
  ],
  ['bytes without end', {kind: 'endless'}, /has more bytes than the \d+ that the Hub lists/],
  [
    'bytes without end, of a length that fits',
    {kind: 'endless', headers: {'content-encoding': 'identity'}},
    /has more bytes than/,
  ],
  [
    'a gigabyte in a megabyte',
    raw(BOMB, {'content-encoding': 'gzip'}),
    /has more bytes than the \d+ that the Hub lists/,
  ],
  ['broken gzip', raw('no gzip', {'content-encoding': 'gzip'}), /could not be downloaded|cannot be reached/],
  [
    'a range that was not asked for',
    lie(() => ({status: 206, headers: {'content-range': 'bytes 5-9/10'}})),
    /bytes 0 to \d+ were asked for, and the answer is bytes 5-9\/10/,
  ],
  [
    'a range that is none',
    lie(() => ({status: 206, headers: {'content-range': '../../x'}})),
    /were asked for, and the answer is \.\.\/\.\.\/x/,
  ],
  ['a part and no range', lie(() => ({status: 206})), /were asked for, and the answer is some other range/],
  [
    'a range of another file',
    lie((answer) => ({
      status: 206,
      headers: {'content-range': `bytes 0-${content(answer).length - 1}/999999999`},
    })),
    /were asked for, and the answer is bytes 0-/,
  ],
  ['no content', {kind: 'answer', status: 204}, /could not be downloaded|comes with/],
  ['a redirect to itself', {kind: 'answer', status: 302, headers: {location: ''}}, /redirects without end/],
  [
    'a redirect to a file',
    {kind: 'answer', status: 302, headers: {location: 'file:///etc/passwd'}},
    /redirects to no https address/,
  ],
  [
    'a refusal without end',
    {kind: 'endless', status: 403, headers: {'content-type': 'application/json'}},
    /403/,
  ],
  [
    'a refusal in escapes',
    {kind: 'answer', status: 400, body: {error: '\u001b[31m\n\nred'}},
    /400: \[31m red/,
  ],
  ['416', {kind: 'answer', status: 416}, /416/],
];

export const HOSTILE: Hostile[] = [
  ...on('info', spoiled),
  ...on(
    'info',
    commits.map((sha) => [
      `a commit of ${JSON.stringify(sha)?.slice(0, 50)}`,
      json({id: 'ann/gpt2', sha, lastModified: ''}),
      NO_HUB,
    ]),
  ),
  ...on('tree', spoiled),
  ...on('tree', [
    ['an object', json({}), NO_HUB],
    ['text', json('config.json'), NO_HUB],
    ['an entry of nothing', json([null]), NO_HUB],
    ['an entry of text', json(['config.json']), NO_HUB],
    ['an empty listing', json([]), /has no config\.json/],
  ]),
  ...on(
    'tree',
    entries.map(([what, change, words]) => [
      what,
      lie((answer) => ({body: (answer.body as object[]).map((one) => ({...one, ...change}))})),
      words,
    ]),
  ),
  {
    what: 'tree: pages in a circle',
    prepare: nextPage((server) => `${server.endpoint}/api/models/ann/gpt2/tree/x?page=1`),
  },
  {
    what: 'tree: pages without end',
    prepare: nextPage(
      (server) => `${server.endpoint}/api/models/ann/gpt2/tree/main?cursor=0&page=${cursor++}`,
    ),
  },
  {
    what: 'tree: a next page of another kind',
    prepare: nextPage((server) => `${server.endpoint}/api/models/ann/gpt2/revision/main`),
  },
  {what: 'tree: a next page where nobody is', prepare: nextPage(() => 'http://127.0.0.1:9/x')},
  ...shards.map((name) => ({
    what: `an index that names ${JSON.stringify(name)}`,
    prepare: (server: HubServer) => {
      server.addFiles('ann/gpt2', {
        'model.safetensors.index.json': JSON.stringify({weight_map: {'wte.weight': name}}),
      });
      return /is no name of a|no file nowhere\.safetensors|weight_map/;
    },
  })),
  ...['', 'x', '[]', '{}', '{"weight_map": []}', '{"weight_map": {"a": "b"}'].map((text) => ({
    what: `an index of ${JSON.stringify(text)}`,
    prepare: (server: HubServer) => {
      server.addFiles('ann/gpt2', {'model.safetensors.index.json': text});
      return /model\.safetensors\.index\.json/;
    },
  })),
  ...on('small', files),
  ...on('object', files),
  ...on(
    'resolve',
    files.filter(([what]) => /redirect|refusal|416/.test(what)),
  ),
];

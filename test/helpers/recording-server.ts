import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {setTimeout} from 'node:timers/promises';

/** A request as it came in. */
export interface Recorded {
  /** The name of its route, or `unknown`. */
  route: string;
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

export interface Answer {
  status: number;
  /** Bytes are sent as they are, all else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Route {
  name: string;
  /** `GET` stands for HEAD as well. */
  method: string;
  /** Matches the path, without the query. */
  path: RegExp;
  /** @param groups the named groups of the path. */
  answer: (groups: Record<string, string>, request: Recorded) => Answer;
}

/** What becomes of a request instead of its real answer. */
export type Trouble =
  | ({kind: 'answer'} & Answer)
  /** The connection is cut before an answer, or after some bytes of its body; headers are put over the real ones. */
  | {kind: 'cut'; after?: number; headers?: Record<string, string>}
  /** No answer ever comes, or none of its body after some bytes. */
  | {kind: 'silence'; after?: number}
  /** The body comes slowly. */
  | {kind: 'drip'; bytes: number; everyMs: number}
  /** The real answer, changed. */
  | {kind: 'alter'; change: (answer: Answer) => Answer}
  /** A body without end, of unknown length. */
  | {kind: 'endless'; status?: number; headers?: Record<string, string>};

/** An HTTP server on this machine that answers by a table of routes, records each request, and fails as told. */
export class RecordingServer {
  /** Oldest first. */
  readonly requests: Recorded[] = [];
  /** Asked at each request for what is to become of it, whatever its route; for troubles to come by number. */
  whenAsked: () => Trouble | undefined = () => undefined;
  private readonly troubles = new Map<string, Trouble[]>();
  private readonly server: Server;

  /** @param host - a name of this machine: another one makes it another host, to those who look at names alone */
  constructor(
    private readonly routes: readonly Route[],
    private readonly host: '127.0.0.1' | 'localhost' = '127.0.0.1',
  ) {
    this.server = createServer((request, response) => this.receive(request, response));
  }

  /** `http://host:port`, once it has been started. */
  origin = '';

  /** @param port - any free one unless given */
  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.origin = `http://${this.host}:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  /** Makes the next `times` requests of a route fail. */
  trouble(route: string, trouble: Trouble, times = 1): void {
    if (!this.routes.some(({name}) => name === route)) throw new Error(`there is no route ${route}`);
    const queue = this.troubles.get(route) ?? [];
    queue.push(...Array.from({length: times}, () => trouble));
    this.troubles.set(route, queue);
  }

  /** Forgets all troubles to come. */
  clear(): void {
    this.troubles.clear();
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A client that gives up in the middle of its request or of its answer is no concern of the server.
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
      const {method = '', url = '', headers} = request;
      const path = url.split('?')[0]!;
      const asked = method === 'HEAD' ? 'GET' : method;
      const route = this.routes.find((one) => one.method === asked && one.path.test(path));
      const recorded = {route: route?.name ?? 'unknown', method, url, headers, body: Buffer.concat(chunks)};
      this.requests.push(recorded);
      const answer = () =>
        route
          ? route.answer(route.path.exec(path)!.groups ?? {}, recorded)
          : {status: 404, body: {error: 'no such page'}};
      const trouble = this.whenAsked() ?? this.troubles.get(recorded.route)?.shift();
      void respond(response, answer, trouble, method === 'HEAD');
    });
  }
}

async function respond(
  response: ServerResponse,
  real: () => Answer,
  trouble: Trouble | undefined,
  headOnly: boolean,
): Promise<void> {
  if (trouble?.kind === 'cut' && trouble.after === undefined) return void response.destroy();
  if (trouble?.kind === 'silence' && trouble.after === undefined) return;
  if (trouble?.kind === 'endless') return endless(response, trouble);
  const answer =
    trouble?.kind === 'answer' ? trouble : trouble?.kind === 'alter' ? trouble.change(real()) : real();
  const raw = Buffer.isBuffer(answer.body);
  const body = raw
    ? (answer.body as Buffer)
    : Buffer.from(answer.body === undefined ? '' : JSON.stringify(answer.body));
  response.writeHead(answer.status, {
    'content-type': raw ? 'application/octet-stream' : 'application/json',
    'content-length': body.byteLength,
    ...answer.headers,
    ...(trouble?.kind === 'cut' ? trouble.headers : {}),
  });
  if (headOnly) return void response.end();
  if (trouble?.kind === 'drip') {
    for (let at = 0; at < body.byteLength && !response.destroyed; at += trouble.bytes) {
      response.write(body.subarray(at, at + trouble.bytes));
      await setTimeout(trouble.everyMs);
    }
  } else if (trouble?.kind === 'cut' || trouble?.kind === 'silence') {
    const sent = new Promise((resolve) => response.write(body.subarray(0, trouble.after), resolve));
    await sent;
    // What was sent must have been read: a reset connection takes it back.
    await setTimeout(50);
    if (trouble.kind === 'cut') response.destroy();
    return;
  } else response.write(body);
  response.end();
}

function endless(
  response: ServerResponse,
  {status = 200, headers}: {status?: number; headers?: Record<string, string>},
): void {
  response.writeHead(status, headers);
  const chunk = Buffer.alloc(64 << 10, 0x20);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}

import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

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
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Route {
  name: string;
  method: string;
  /** Matches the path, without the query. */
  path: RegExp;
  /** @param groups the named groups of the path. */
  answer: (groups: Record<string, string>, request: Recorded) => Answer;
}

/** What a request is answered with instead of its real answer. */
export type Trouble =
  | ({kind: 'answer'} & Answer)
  /** The connection is cut before an answer. */
  | {kind: 'cut'}
  /** No answer ever comes. */
  | {kind: 'silence'};

/** An HTTP server on this machine that answers by a table of routes, records each request, and fails as told. */
export class RecordingServer {
  /** Oldest first. */
  readonly requests: Recorded[] = [];
  private readonly troubles = new Map<string, Trouble[]>();
  private readonly server: Server;

  constructor(private readonly routes: readonly Route[]) {
    this.server = createServer((request, response) => this.receive(request, response));
  }

  /** `http://host:port`. */
  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
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

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A client that gives up in the middle of its request is no concern of the server.
    request.on('error', () => {});
    request.on('end', () => {
      const {method = '', url = '', headers} = request;
      const path = url.split('?')[0]!;
      const route = this.routes.find((one) => one.method === method && one.path.test(path));
      const recorded = {route: route?.name ?? 'unknown', method, url, headers, body: Buffer.concat(chunks)};
      this.requests.push(recorded);
      const trouble = this.troubles.get(recorded.route)?.shift();
      if (trouble?.kind === 'cut') response.destroy();
      else if (trouble?.kind === 'answer') send(response, trouble);
      else if (!trouble && route) send(response, route.answer(route.path.exec(path)!.groups ?? {}, recorded));
      else if (!trouble) send(response, {status: 404, body: {error: 'no such page'}});
    });
  }
}

function send(response: ServerResponse, {status, body, headers}: Answer): void {
  response.writeHead(status, {'content-type': 'application/json', ...headers});
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

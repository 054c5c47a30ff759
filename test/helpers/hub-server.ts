import {downloadRoutes, findCommit, objectRoute} from './hub-downloads.js';
import {etagOf, isLfs, sha, type HubCommit, type HubFile, type HubRepo} from './hub-repos.js';
import {RecordingServer, type Answer, type Recorded, type Route} from './recording-server.js';

export type {HubCommit, HubFile, HubRepo};

export interface HubServerOptions {
  /** The one token that is accepted. */
  token: string;
  /** The namespaces that the token may write to. */
  namespaces: string[];
  /** LFS objects above this many bytes go in parts of this many; by default none does. */
  partBytes?: number;
  /** Entries on a page of a listing; 1000 by default. */
  pageEntries?: number;
}

const REPO = '(?<id>[^/]+/[^/]+)';
const SIGNATURE = 'signature=s1gnature';

const refusal = (status: number, error: string): Answer => ({status, body: {error}});
const parse = (request: Recorded): unknown => JSON.parse(request.body.toString('utf8'));

/**
 * A Hub on this machine: an API server, and a storage server of another origin, as the real one has, for uploads
 * and downloads. It keeps everything in memory, and checks the token, sizes and hashes.
 */
export class HubServer {
  readonly repos = new Map<string, HubRepo>();
  /** Where repos have moved to, by their old names. */
  readonly moved = new Map<string, string>();
  /** LFS objects, by the sha256 of their content. */
  readonly objects = new Map<string, Buffer>();
  /** Routes: create, preupload, batch, commit; and those of `downloadRoutes`. */
  readonly api = new RecordingServer(this.apiRoutes());
  /** Routes: put, part, complete, object. */
  readonly storage = new RecordingServer(this.storageRoutes(), 'localhost');
  private readonly parts = new Map<string, Buffer>();

  private constructor(readonly options: HubServerOptions) {}

  static async start(options: HubServerOptions): Promise<HubServer> {
    const server = new HubServer(options);
    await Promise.all([server.api.start(), server.storage.start()]);
    return server;
  }

  async stop(): Promise<void> {
    await Promise.all([this.api.stop(), this.storage.stop()]);
  }

  /** What a client uses as HF_ENDPOINT. */
  get endpoint(): string {
    return this.api.origin;
  }

  /** Adds a repo as it is just after its creation. */
  addRepo(id: string, isPrivate = false): HubRepo {
    const files = new Map([['.gitattributes', {content: Buffer.from('*.bin filter=lfs\n'), lfs: false}]]);
    const commits = [{oid: sha('sha1', id), title: 'initial commit', files}];
    const repo = {private: isPrivate, commits, beside: [], refs: new Map<string, string>()};
    this.repos.set(id, repo);
    return repo;
  }

  /**
   * Adds a commit to a repo, which is made if there is none, beside what files it has.
   * @param id - `user/name`; a dataset's begins with `datasets/`
   * @returns the commit's id
   */
  addFiles(id: string, contents: Record<string, Buffer | string>): string {
    const repo = this.repos.get(id) ?? this.addRepo(id);
    const files = new Map(repo.commits.at(-1)!.files);
    for (const [name, content] of Object.entries(contents)) {
      const file = {content: Buffer.from(content), lfs: isLfs(name)};
      files.set(name, file);
      if (file.lfs) this.objects.set(etagOf(file), file.content);
    }
    const oid = sha('sha1', `${id} ${repo.commits.length} ${[...files.values()].map(etagOf).join()}`);
    repo.commits.push({oid, title: 'add files', files});
    return oid;
  }

  /** The names of files that were sent, wholly or in part, once for each time. */
  get filesSent(): string[] {
    const isSent = ({route, method}: Recorded) =>
      method === 'GET' && (route === 'small' || route === 'object');
    const sent = [...this.api.requests, ...this.storage.requests].filter(isSent);
    const names = new Map(
      [...this.repos.values()].flatMap(({commits}) => {
        return commits.flatMap(({files}) => [...files].map(([name, file]) => [etagOf(file), name] as const));
      }),
    );
    return sent.map(({url}) => {
      const last = url.split('?')[0]!.split('/').at(-1)!;
      return names.get(last) ?? last;
    });
  }

  /** The names of the routes that requests took, in order. */
  get routesTaken(): string[] {
    return this.api.requests.map(({route}) => route);
  }

  private apiRoutes(): Route[] {
    const model = (rest: string) => new RegExp(`^/api/models/${REPO}/${rest}$`);
    const post = (name: string, path: RegExp, answer: Route['answer']): Route => {
      return {name, method: 'POST', path, answer: this.signedIn(answer)};
    };
    const lfs = new RegExp(`^/${REPO}\\.git/info/lfs/objects/batch$`);
    return [
      ...downloadRoutes(this),
      post('create', /^\/api\/repos\/create$/, (_, request) => this.create(request)),
      post('preupload', model('preupload/(?<revision>[^/]+)'), this.writing(preupload)),
      post(
        'branch',
        model('branch/(?<revision>[^/]+)'),
        this.writing(({id, revision}) => this.branch(id!, decodeURIComponent(revision!))),
      ),
      post(
        'batch',
        lfs,
        this.writing((_, request) => this.batch(request)),
      ),
      post(
        'commit',
        model('commit/(?<revision>[^/]+)'),
        this.writing(({id, revision}, request) => this.commit(id!, decodeURIComponent(revision!), request)),
      ),
    ];
  }

  private storageRoutes(): Route[] {
    const put = (name: string, path: RegExp, answer: Route['answer']): Route => {
      return {name, method: 'PUT', path, answer: stored(answer)};
    };
    return [
      put('put', /^\/objects\/(?<oid>\w+)$/, ({oid}, request) => this.put(oid!, request)),
      put('part', /^\/objects\/(?<part>\w+\/\d+)$/, ({part}, request) => this.putPart(part!, request)),
      {
        name: 'complete',
        method: 'POST',
        path: /^\/complete\/(?<oid>\w+)$/,
        answer: ({oid}, request) => this.complete(oid!, request),
      },
      objectRoute(this),
    ];
  }

  private signedIn(answer: Route['answer']): Route['answer'] {
    return (groups, request) =>
      request.headers.authorization === `Bearer ${this.options.token}`
        ? answer(groups, request)
        : refusal(401, 'Invalid username or password.');
  }

  private writing(answer: Route['answer']): Route['answer'] {
    return (groups, request) => {
      const id = groups.id!;
      if (!this.repos.has(id)) return refusal(404, 'Repository not found');
      // Everybody may propose a commit, and send the large files of one.
      const {ref} = request.route === 'batch' ? (parse(request) as {ref?: object}) : {ref: true};
      return this.mayWrite(id.split('/')[0]!) || !ref || request.url.endsWith('?create_pr=1')
        ? answer(groups, request)
        : refusal(403, 'Forbidden: read only');
    };
  }

  private mayWrite(namespace: string): boolean {
    return this.options.namespaces.includes(namespace);
  }

  private create(request: Recorded): Answer {
    const {name, organization, visibility, type} = parse(request) as Record<string, string>;
    if (type !== 'model') return refusal(400, `type ${type} is not served`);
    if (!this.mayWrite(organization!)) {
      return refusal(
        403,
        `You don't have the rights to create a model under the namespace "${organization}"`,
      );
    }
    const id = `${organization}/${name}`;
    if (this.repos.has(id)) return refusal(409, 'You already created this model repo');
    this.addRepo(id, visibility === 'private');
    return {status: 200, body: {url: `${this.endpoint}/${id}`, id}};
  }

  private batch(request: Recorded): Answer {
    const {objects, transfers} = parse(request) as {
      objects: {oid: string; size: number}[];
      transfers: string[];
    };
    if (!transfers.includes('basic')) return refusal(400, 'only basic and multipart transfers are served');
    return {
      status: 200,
      body: {transfer: 'basic', objects: objects.map(({oid, size}) => this.lfsObject(oid, size))},
      headers: {'content-type': 'application/vnd.git-lfs+json'},
    };
  }

  private lfsObject(oid: string, size: number): object {
    if (this.objects.has(oid)) return {oid, size};
    const {partBytes = Infinity} = this.options;
    const href = `${this.storage.origin}/objects/${oid}`;
    if (size <= partBytes) return {oid, size, actions: {upload: {href: `${href}?${SIGNATURE}`}}};
    const header: Record<string, string> = {chunk_size: String(partBytes)};
    for (let part = 1; part <= Math.ceil(size / partBytes); part++) {
      header[String(part).padStart(5, '0')] = `${href}/${part}?${SIGNATURE}`;
    }
    return {oid, size, actions: {upload: {href: `${this.storage.origin}/complete/${oid}`, header}}};
  }

  private put(oid: string, request: Recorded): Answer {
    if (sha('sha256', request.body) !== oid) return refusal(400, 'the content has another sha256');
    this.objects.set(oid, request.body);
    return {status: 200};
  }

  private putPart(part: string, request: Recorded): Answer {
    this.parts.set(part, request.body);
    return {status: 200, headers: {etag: sha('sha1', request.body)}};
  }

  private complete(oid: string, request: Recorded): Answer {
    const {parts} = parse(request) as {parts: {partNumber: number; etag: string}[]};
    const bodies = parts.map(({partNumber}) => this.parts.get(`${oid}/${partNumber}`) ?? Buffer.alloc(0));
    if (parts.some(({etag}, i) => etag !== sha('sha1', bodies[i]!))) return refusal(400, 'a part is missing');
    const content = Buffer.concat(bodies);
    if (sha('sha256', content) !== oid) return refusal(400, 'the parts have another sha256');
    this.objects.set(oid, content);
    return {status: 200, body: {}};
  }

  private branch(id: string, name: string): Answer {
    const repo = this.repos.get(id)!;
    if (findCommit(repo, name)) return refusal(409, `Reference already exists: ${name}`);
    repo.refs.set(name, repo.commits.at(-1)!.oid);
    return {status: 200, body: {}};
  }

  private commit(id: string, revision: string, request: Recorded): Answer {
    const repo = this.repos.get(id)!;
    const text = request.body.toString('utf8');
    const parent = findCommit(repo, revision);
    if (!parent) return refusal(404, `Invalid rev id: ${revision}`);
    const files = new Map(parent.files);
    let title = '';
    for (const line of text.split('\n')) {
      const {key, value} = JSON.parse(line) as {key: string; value: Record<string, string | number>};
      const path = String(value.path);
      if (key === 'header') {
        title = String(value.summary);
        if ((value.parentCommit ?? parent.oid) !== parent.oid) {
          return refusal(412, 'A commit has happened since. Please refresh and try again.');
        }
      } else if (key === 'file') {
        files.set(path, {content: Buffer.from(String(value.content), 'base64'), lfs: false});
      } else if (key === 'lfsFile') {
        const content = this.objects.get(String(value.oid));
        if (!content || content.byteLength !== value.size) return refusal(400, `${path} was not uploaded`);
        files.set(path, {content, lfs: true});
      } else return refusal(400, `operation ${key} is not served`);
    }
    if (!title) return refusal(400, 'a commit needs a summary');
    const oid = sha('sha1', `${repo.commits.length} ${text}`);
    const commit = {oid, title, files};
    const asked = new URL(request.url, this.endpoint).searchParams.get('create_pr') === '1';
    const pullRequest = asked ? repo.refs.size + 1 : null;
    const ref = pullRequest === null ? revision : `refs/pr/${pullRequest}`;
    if (ref === 'main') repo.commits.push(commit);
    else {
      repo.beside.push(commit);
      repo.refs.set(ref, oid);
    }
    return {
      status: 200,
      body: {
        success: true,
        commitOid: oid,
        commitUrl: `${this.endpoint}/${id}/commit/${oid}`,
        hookOutput: '',
        ...(pullRequest !== null && {pullRequestUrl: `${this.endpoint}/${id}/discussions/${pullRequest}`}),
      },
    };
  }
}

function preupload(_: Record<string, string>, request: Recorded): Answer {
  const {files} = parse(request) as {files: {path: string}[]};
  const mode = (path: string) => (path.endsWith('.safetensors') ? 'lfs' : 'regular');
  return {status: 200, body: {files: files.map(({path}) => ({path, uploadMode: mode(path)}))}};
}

/** Refuses as S3 does: a second way to sign in beside the signature, and a body of unknown length. */
function stored(answer: Route['answer']): Route['answer'] {
  return (groups, request) => {
    if (request.headers.authorization) return refusal(400, 'only one way to sign in is allowed');
    if (!request.url.endsWith(`?${SIGNATURE}`)) return refusal(403, 'no signature');
    if (request.headers['content-length'] === undefined) return refusal(411, 'length required');
    return answer(groups, request);
  };
}

import {etagOf, sha, type HubCommit, type HubFile, type HubRepo} from './hub-repos.js';
import type {HubServer} from './hub-server.js';
import type {Answer, Recorded, Route} from './recording-server.js';

const REPO = '(?<id>[^/]+(?:/[^/]+)?)';
const KIND = '(?<kind>models|datasets)';
const SIGNATURE = 'signature=s1gnature';

const refusal = (status: number, error: string, code?: string): Answer => ({
  status,
  body: {error},
  headers: {'x-error-message': error, ...(code ? {'x-error-code': code} : {})},
});

/**
 * The Hub's routes for reading: `info`, `tree`, `paths`, `resolve` (which leads to `small` for files in git, and to
 * the storage's `object` for those in LFS).
 */
export function downloadRoutes(server: HubServer): Route[] {
  type Reading = (repo: HubRepo, groups: Record<string, string>, request: Recorded) => Answer;
  const reading =
    (answer: Reading): Route['answer'] =>
    (groups, request) => {
      const {id = '', kind} = groups;
      const moved = server.moved.get(id);
      if (moved) return {status: 307, headers: {location: request.url.replace(id, moved)}, body: {}};
      const given = request.headers.authorization;
      const signedIn = given === `Bearer ${server.options.token}`;
      if (given !== undefined && !signedIn) return refusal(401, 'Invalid username or password.');
      const repo = server.repos.get(kind === 'datasets' ? `datasets/${id}` : id);
      if (!repo || (repo.private && !signedIn)) {
        return refusal(signedIn ? 404 : 401, 'Repository not found', 'RepoNotFound');
      }
      if (repo.disabled) return refusal(403, 'Access to this resource is disabled.');
      return answer(repo, groups, request);
    };
  const atCommit = (
    answer: (commit: HubCommit, groups: Record<string, string>, request: Recorded) => Answer,
  ) =>
    reading((repo, groups, request) => {
      const commit = findCommit(repo, decodeURIComponent(groups.revision!));
      return commit
        ? answer(commit, groups, request)
        : refusal(404, `Invalid rev id: ${groups.revision}`, 'RevisionNotFound');
    });
  /** A file of a repo that may be gated. */
  const file = (answer: (file: HubFile, commit: HubCommit, request: Recorded, path: string) => Answer) =>
    reading((repo, groups, request) => {
      if (repo.gated && !request.headers.authorization) {
        return refusal(401, 'Access to this model is restricted. Please log in.', 'GatedRepo');
      }
      if (repo.gated === 'asked') return refusal(403, 'Your request is awaiting a review.', 'GatedRepo');
      return atCommit((commit) => {
        const path = decodeURIComponent(groups.path!);
        const found = commit.files.get(path);
        return found
          ? answer(found, commit, request, path)
          : refusal(404, 'Entry not found', 'EntryNotFound');
      })(groups, request);
    });
  const kinds = '(?:(?<kind>datasets)/)?';
  return [
    {
      name: 'info',
      method: 'GET',
      path: new RegExp(`^/api/${KIND}/${REPO}/revision/(?<revision>[^/]+)$`),
      answer: atCommit((commit, {id}) => ({
        status: 200,
        body: {
          _id: sha('sha1', id!),
          id,
          sha: commit.oid,
          private: server.repos.get(id!)?.private ?? false,
          lastModified: new Date(0).toISOString(),
        },
      })),
    },
    {
      name: 'tree',
      method: 'GET',
      path: new RegExp(`^/api/${KIND}/${REPO}/tree/(?<revision>[^/]+)$`),
      answer: atCommit((commit, _, request) => treePage(server, commit, request)),
    },
    {
      name: 'paths',
      method: 'POST',
      path: new RegExp(`^/api/${KIND}/${REPO}/paths-info/(?<revision>[^/]+)$`),
      answer: atCommit((commit, _, request) => {
        const {paths} = JSON.parse(request.body.toString('utf8')) as {paths: string[]};
        return {status: 200, body: [...commit.files].filter(([path]) => paths.includes(path)).map(treeEntry)};
      }),
    },
    {
      name: 'resolve',
      method: 'GET',
      path: new RegExp(`^/${kinds}${REPO}/resolve/(?<revision>[^/]+)/(?<path>.+)$`),
      answer: file((found, commit, request) => {
        const headers = {
          'x-repo-commit': commit.oid,
          'x-linked-etag': `"${etagOf(found)}"`,
          'x-linked-size': String(found.content.byteLength),
        };
        const location = found.lfs
          ? `${server.storage.origin}/objects/${etagOf(found)}?${SIGNATURE}`
          : request.url.replace(
              /^\/(datasets\/)?(.*)\/resolve\//,
              (_, kind: string | undefined, id: string) => {
                return `/api/resolve-cache/${kind ?? 'models/'}${id}/`;
              },
            );
        return {status: found.lfs ? 302 : 307, headers: {...headers, location}, body: {}};
      }),
    },
    {
      name: 'small',
      method: 'GET',
      path: new RegExp(`^/api/resolve-cache/${KIND}/${REPO}/(?<revision>[0-9a-f]{40})/(?<path>.+)$`),
      answer: file((found, commit, request) =>
        ranged(found.content, `"${etagOf(found)}"`, request, {'x-repo-commit': commit.oid}),
      ),
    },
  ];
}

/** The storage's route for reading, at an address that is signed: it refuses a second way to sign in, as S3 does. */
export function objectRoute(server: HubServer): Route {
  return {
    name: 'object',
    method: 'GET',
    path: /^\/objects\/(?<oid>\w+)$/,
    answer: ({oid}, request) => {
      if (request.headers.authorization) return refusal(400, 'only one way to sign in is allowed');
      if (!request.url.endsWith(`?${SIGNATURE}`)) return refusal(403, 'no signature');
      const content = server.objects.get(oid!);
      if (!content) return refusal(404, 'no such object');
      // Like S3's, its ETag is no sha256.
      return ranged(content, `"${oid!.slice(0, 32)}-1"`, request, {});
    },
  };
}

export function findCommit(repo: HubRepo, revision: string): HubCommit | undefined {
  if (revision === 'main' || revision === 'HEAD') return repo.commits.at(-1);
  const oid = repo.refs.get(revision) ?? revision;
  return [...repo.commits, ...repo.beside].find((commit) => commit.oid === oid);
}

const treeEntry = ([path, file]: [string, HubFile]): object => ({
  type: 'file',
  // Of a file in LFS, git has a pointer.
  oid: file.lfs ? sha('sha1', etagOf(file)) : etagOf(file),
  size: file.content.byteLength,
  path,
  ...(file.lfs && {lfs: {oid: etagOf(file), size: file.content.byteLength, pointerSize: 130}}),
});

/** A page of a listing; folders count as entries where it does not go into them. */
function treePage(server: HubServer, commit: HubCommit, request: Recorded): Answer {
  const url = new URL(request.url, server.endpoint);
  const recursive = url.searchParams.get('recursive') === 'true';
  const files = [...commit.files].filter(([path]) => recursive || !path.includes('/')).map(treeEntry);
  const folders = new Set(
    [...commit.files.keys()].flatMap((path) => (path.includes('/') ? [path.split('/')[0]!] : [])),
  );
  const all = [
    ...[...folders].map((path) => ({type: 'directory', oid: sha('sha1', path), size: 0, path})),
    ...files,
  ];
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const to = from + (server.options.pageEntries ?? 1000);
  url.searchParams.set('cursor', String(to));
  return {
    status: 200,
    body: all.slice(from, to),
    headers: to < all.length ? {link: `<${url.href}>; rel="next"`} : {},
  };
}

/** A file, or the range of it that is asked for, as long as it is the one that If-Range means. */
function ranged(content: Buffer, etag: string, request: Recorded, more: Record<string, string>): Answer {
  const headers = {...more, etag, 'accept-ranges': 'bytes'};
  const ifRange = request.headers['if-range'];
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!asked || (ifRange !== undefined && ifRange !== etag)) return {status: 200, body: content, headers};
  const start = Number(asked[1]);
  const end = Math.min(asked[2] ? Number(asked[2]) + 1 : content.byteLength, content.byteLength);
  const size = content.byteLength;
  if (start >= size) return {status: 416, headers: {...headers, 'content-range': `bytes */${size}`}};
  return {
    status: 206,
    body: content.subarray(start, end),
    headers: {...headers, 'content-range': `bytes ${start}-${end - 1}/${size}`},
  };
}

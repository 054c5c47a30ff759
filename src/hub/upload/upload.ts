import {uploadFiles} from '@huggingface/hub';
import {z} from 'zod';
import {HubError} from '../../errors.js';
import {FileBlob} from '../wire/file-blob.js';
import {HttpFailure} from '../wire/http-failure.js';
import type {PlannedFile} from './push-plan.js';
import type {RepoId} from '../repo/repo-id.js';
import {access, isCommit} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';

/** What an upload is at: reading files for their sha256, sending large ones, or making the commit. */
export type UploadPhase = 'hashing' | 'uploading' | 'committing';

export interface UploadOptions {
  session: HubSession;
  repo: RepoId;
  files: readonly PlannedFile[];
  /** The commit's title in the first line, and what else it says below. */
  message: string;
  /** The branch, or `refs/pr/N`. */
  revision: string;
  /** The revision's commit as it was seen: the upload fails with status 412 if it is another by now. */
  parent: string;
  /** Propose the commit in a new pull request. */
  createPr: boolean;
  onPhase?: (phase: UploadPhase) => void;
  /** Told of bytes that are not sent because the Hub has them, of whatever repo or unfinished push. */
  onStored?: (bytes: number) => void;
}

export interface Uploaded {
  commit: string;
  /** The number of the pull request; null if there is none. */
  pullRequest: number | null;
}

/**
 * Uploads files in one commit, streamed from disk: large ones over LFS, as far as the Hub does not have their
 * contents, small ones within the commit. Nothing shows on the Hub before the commit, which is all or nothing.
 * @throws what the session's fetch throws; HubError if the Hub's answer has no commit in it, or would have files sent
 *   over http that are meant for https
 */
export async function upload(options: UploadOptions): Promise<Uploaded> {
  const {session, repo, createPr} = options;
  const [title, ...more] = options.message.split('\n');
  const work = uploadFiles({
    ...access(session, watch(options)),
    repo: {type: 'model', name: repo.id},
    files: options.files.map((file) => ({
      path: file.path,
      content: new FileBlob(file.source, 0, file.bytes),
    })),
    commitTitle: title,
    commitDescription: more.join('\n').trim() || undefined,
    branch: options.revision,
    parentCommit: options.parent,
    isPullRequest: createPr,
    // Plain LFS: every Hub and mirror speaks it, and each of its requests can be sent again.
    useXet: false,
  });
  // The library is not given the signal: aborted while it hashes, it can lose the error and never return.
  const output = await Promise.race([work, aborted(session.signal)]);
  const commit = output?.commit.oid;
  const pullRequest = Number(/\/discussions\/(\d{1,9})$/.exec(output?.pullRequestUrl ?? '')?.[1] ?? NaN);
  if (typeof commit !== 'string' || !isCommit(commit) || (createPr && Number.isNaN(pullRequest))) {
    throw new HubError(
      `The Hub made no ${createPr ? 'pull request' : 'commit'} in ${repo.id} that it can name; push again.`,
    );
  }
  return {commit, pullRequest: createPr ? pullRequest : null};
}

/** Where an object goes; in parts, the addresses of the parts stand in the header under their numbers. */
const uploadSchema = z.object({href: z.url(), header: z.record(z.string(), z.string()).optional()});
const batchSchema = z.object({
  objects: z.array(
    z.object({
      size: z.number().optional(),
      error: z.object({code: z.number(), message: z.string()}).optional(),
      actions: z.object({upload: uploadSchema.optional()}).optional(),
    }),
  ),
});

/** Tells the phases by the requests that pass, and looks into the answer that says what is to be sent where. */
function watch(options: UploadOptions): typeof fetch {
  const {session, onPhase} = options;
  return async (input, init) => {
    const {pathname, host} = new URL(input instanceof Request ? input.url : input);
    if (pathname.includes('/commit/')) onPhase?.('committing');
    const response = await session.uploads(input, init);
    if (pathname.includes('/preupload/')) onPhase?.('hashing');
    if (pathname.endsWith('/info/lfs/objects/batch')) {
      const {data} = batchSchema.safeParse(await response.clone().json());
      if (!data) throw new HubError(`${host} does not say where files are to be sent; no Hub answers so.`);
      const refused = data.objects.find((object) => object.error)?.error;
      if (refused) throw new HttpFailure(refused.code, host, true, refused.message);
      for (const {size, actions} of data.objects) {
        if (actions?.upload) requireSafe(actions.upload, session.endpoint);
        else options.onStored?.(size ?? 0);
      }
      onPhase?.('uploading');
    }
    return response;
  };
}

/** @throws HubError for addresses to send to that would leave https */
function requireSafe({href, header = {}}: z.output<typeof uploadSchema>, endpoint: string): void {
  const parts = Object.entries(header).filter(([name]) => /^\d+$/.test(name));
  for (const text of [href, ...parts.map(([, address]) => address)]) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol === 'https:' || (url?.protocol === 'http:' && endpoint.startsWith('http:'))) continue;
    throw new HubError(
      `${new URL(endpoint).host} would have files sent to what is no https address; nothing was sent.`,
    );
  }
}

/** Never resolves; rejects when the signal aborts. */
async function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal?.reason as Error);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, {once: true});
  });
}

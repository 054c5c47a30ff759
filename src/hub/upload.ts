import {uploadFiles} from '@huggingface/hub';
import {z} from 'zod';
import {HubError} from '../errors.js';
import {FileBlob} from './file-blob.js';
import {HttpFailure} from './http-failure.js';
import {PLACEHOLDER_TOKEN} from './hub-fetch.js';
import type {PlannedFile} from './plan.js';
import type {RepoId} from './repo-id.js';

/** What an upload is at: reading files for their sha256, sending large ones, or making the commit. */
export type UploadPhase = 'hashing' | 'uploading' | 'committing';

export interface UploadOptions {
  repo: RepoId;
  endpoint: string;
  files: readonly PlannedFile[];
  /** The commit's title. */
  message: string;
  /** A hubFetch. */
  fetch: typeof fetch;
  signal?: AbortSignal;
  onPhase?: (phase: UploadPhase) => void;
}

/**
 * Uploads files in one commit, streamed from disk: large ones over LFS, small ones within the commit.
 * Nothing shows on the Hub before the commit, which is all or nothing.
 * @returns the commit's id.
 * @throws what the fetch throws; HubError if the Hub's answer has no commit in it.
 */
export async function upload(options: UploadOptions): Promise<string> {
  const work = uploadFiles({
    repo: {type: 'model', name: options.repo.id},
    files: options.files.map((file) => ({
      path: file.path,
      content: new FileBlob(file.source, 0, file.bytes),
    })),
    commitTitle: options.message,
    hubUrl: options.endpoint,
    accessToken: PLACEHOLDER_TOKEN,
    // Plain LFS: every Hub and mirror speaks it, and each of its requests can be sent again.
    useXet: false,
    fetch: watch(options),
  });
  // The library is not given the signal: aborted while it hashes, it can lose the error and never return.
  const output = await Promise.race([work, aborted(options.signal)]);
  if (!output?.commit.oid) throw new HubError(`The Hub made no commit in ${options.repo.id}; push again.`);
  return output.commit.oid;
}

const batchSchema = z.object({
  objects: z.array(z.object({error: z.object({code: z.number(), message: z.string()}).optional()})),
});

/** Tells the phases by the requests that pass, and finds errors that an answer of status 200 holds. */
function watch(options: UploadOptions): typeof fetch {
  const {fetch, onPhase} = options;
  return async (input, init) => {
    const {pathname, host} = new URL(input instanceof Request ? input.url : input);
    if (pathname.includes('/commit/')) onPhase?.('committing');
    const response = await fetch(input, init);
    if (pathname.includes('/preupload/')) onPhase?.('hashing');
    if (pathname.endsWith('/info/lfs/objects/batch')) {
      const {objects} = batchSchema.parse(await response.clone().json());
      const refused = objects.find((object) => object.error)?.error;
      if (refused) throw new HttpFailure(refused.code, host, true, refused.message);
      onPhase?.('uploading');
    }
    return response;
  };
}

/** Never resolves; rejects when the signal aborts. */
async function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal?.reason as Error);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, {once: true});
  });
}

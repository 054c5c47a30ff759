import {MAX_README_BYTES, README} from '../../checkpoint/index.js';
import {writeFilesWhole} from '../../files/index.js';
import {HubError} from '../../errors.js';
import {readBody} from '../wire/body.js';
import {fileUrl} from '../wire/file-url.js';
import {contentHash} from '../wire/content-hash.js';
import {differences, LocalHashes} from './differences.js';
import {HttpFailure} from '../wire/http-failure.js';
import {planPush, type PlannedFile, type PushPlan} from './push-plan.js';
import type {PushOptions, PushPhase, PushProgress} from './push-options.js';
import type {RepoId} from '../repo/repo-id.js';
import type {HubRepo, RepoFile} from '../wire/repo-info.js';
import {openSession, type HubOptions, type HubSession} from '../wire/session.js';
import {streamUploads} from './stream-uploads.js';
import type {UploadPhase, Uploaded} from './upload.js';

export interface PushFilesOptions extends HubOptions, Pick<PushOptions, 'dir' | 'addFiles'> {
  repo: RepoId;
  revision: string;
  message: string;
  createPr: boolean;
  private: boolean;
  onProgress?: (progress: PushProgress) => void;
}

/** What became of a push's files. */
export interface PushedFiles extends Uploaded {
  plan: PushPlan;
  card: string | null;
  created: {repo: boolean; branch: boolean};
  /** The names of the files that the revision did not hold as they are. */
  changed: ReadonlySet<string>;
  alsoInRepo: string[];
  bytesNotSent: number;
}

/** How often a push looks anew at a branch that others push to at the same time. */
const ROUNDS = 3;

/**
 * Brings a folder's files into a repo, and checks that they are there.
 * @throws as `push`, and HttpFailure where the Hub refuses
 */
export async function pushFiles(options: PushFilesOptions): Promise<PushedFiles> {
  let counted = 0;
  let total = 0;
  const count = (bytes: number) => {
    counted += bytes;
    options.onProgress?.({event: 'bytes', sent: counted, total});
  };
  const fetch = streamUploads(options.fetch ?? globalThis.fetch, count);
  const session = await openSession({...options, fetch}, 'push again');
  // Loaded here, so that a command line that pushes nothing does not load the Hub's library.
  const [{openTarget}, {listTop}] = await Promise.all([
    import('./push-target.js'),
    import('../wire/repo-info.js'),
  ]);
  const repo: HubRepo = {type: 'model', name: options.repo.id};
  const list = (commit: string) => listTop(session, repo, commit);
  const hashes = new LocalHashes(options.signal);
  const {created, head} = await openTarget({...options, session});
  const before = await list(head);
  const added = await options.addFiles?.(await readmeOf(session, repo, head, before));
  if (added) await writeFilesWhole(options.dir, added);
  const plan = await planPush(options.dir);
  total = plan.bytes;
  const sent = await new Sending(plan, session, options, hashes, list, count).run(head, before);
  // Small files went within the commit.
  count(plan.bytes - counted);
  options.onProgress?.({event: 'phase', phase: 'verifying'});
  const listing = await list(sent.commit);
  const [wrong] = await differences(plan.files, listing, hashes);
  if (wrong) {
    throw new HubError(
      `The Hub lists ${wrong.holds} as ${wrong.file.path} in ${repo.name} after the push of ${wrong.file.bytes} bytes; push again.`,
    );
  }
  const pushed = new Set(plan.files.map((file) => file.path));
  const alsoInRepo = listing.map(({path}) => path).filter((path) => !pushed.has(path));
  return {...sent, plan, card: added?.get(README) ?? null, created, alsoInRepo};
}

/** The README.md of a repo at a commit; null if it has none. */
async function readmeOf(
  session: HubSession,
  repo: HubRepo,
  commit: string,
  listing: readonly RepoFile[],
): Promise<string | null> {
  const file = listing.find(({path}) => path === README);
  if (!file) return null;
  const response = await session.fetch(fileUrl(session, repo, commit, file), {signal: session.signal});
  const content = await readBody(response, MAX_README_BYTES, session.stallMs);
  const hash = contentHash(file.hash, file.size).update(content).digest('hex');
  if (hash === file.etag) return content.toString('utf8');
  throw new HubError(
    `${README} of ${repo.name} came with another ${file.hash} than the Hub lists; push again.`,
  );
}

/** The part of a push that sends: what the revision does not hold, in one commit. */
class Sending {
  private bytesNotSent = 0;
  private readonly changed = new Set<string>();

  constructor(
    private readonly plan: PushPlan,
    private readonly session: HubSession,
    private readonly options: PushFilesOptions,
    private readonly hashes: LocalHashes,
    private readonly list: (commit: string) => Promise<RepoFile[]>,
    private readonly count: (bytes: number) => void,
  ) {}

  /** @param head - the revision's commit, and `listing` what it holds */
  async run(
    head: string,
    listing: readonly RepoFile[],
  ): Promise<Pick<PushedFiles, keyof Uploaded | 'changed' | 'bytesNotSent'>> {
    for (let round = 1; ; round++) {
      this.begin('comparing');
      const found = await differences(this.plan.files, listing, this.hashes);
      const files = found.map(({file}) => file);
      for (const {path} of files) this.changed.add(path);
      const keep = (bytes: number) => {
        if (round > 1 || bytes === 0) return;
        this.bytesNotSent += bytes;
        this.count(bytes);
      };
      keep(this.plan.bytes - files.reduce((sum, {bytes}) => sum + bytes, 0));
      try {
        const uploaded =
          files.length === 0 ? {commit: head, pullRequest: null} : await this.upload(files, head, keep);
        return {...uploaded, changed: this.changed, bytesNotSent: this.bytesNotSent};
      } catch (error) {
        // Another commit since; perhaps this one, if its answer was lost.
        const moved = error instanceof HttpFailure && (error.status === 409 || error.status === 412);
        if (!moved || round === ROUNDS) throw error;
        const {resolveCommit} = await import('../wire/repo-info.js');
        const {repo, revision} = this.options;
        head = await resolveCommit(this.session, {type: 'model', name: repo.id}, revision);
        listing = await this.list(head);
      }
    }
  }

  private async upload(
    files: readonly PlannedFile[],
    parent: string,
    onStored: (bytes: number) => void,
  ): Promise<Uploaded> {
    const {upload} = await import('./upload.js');
    const onPhase = (phase: UploadPhase) => this.begin(phase);
    return upload({...this.options, session: this.session, files, parent, onPhase, onStored});
  }

  private begin(phase: PushPhase): void {
    this.options.onProgress?.({event: 'phase', phase});
  }
}

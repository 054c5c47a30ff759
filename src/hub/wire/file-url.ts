import type {HubRepo, RepoFile} from './repo-info.js';
import type {HubSession} from './session.js';

/** The address of a repo's file at a commit. */
export function fileUrl({endpoint}: HubSession, repo: HubRepo, commit: string, {path}: RepoFile): string {
  const kind = repo.type === 'model' ? '' : `${repo.type}s/`;
  return `${endpoint}/${kind}${repo.name}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

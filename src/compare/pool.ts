import {fork, type ChildProcess} from 'node:child_process';
import {compiledFile} from '../compiled-file.js';
import type {Job} from './job.js';
import type {News, Order} from './worker.js';

const WORKER = compiledFile('./worker.js', import.meta.url);

/** A job that failed, and why. */
export interface Failure {
  name: string;
  message: string;
  exitCode: number;
}

export interface NamedJob {
  name: string;
  job: Job;
}

export interface PoolOptions {
  /** Jobs at a time. */
  size: number;
  /** Told the share of a job that is done. */
  onShare: (name: string, share: number) => void;
  /** A job has begun, or ended well. */
  onBegin: (name: string) => void;
  onDone: (name: string) => Promise<void>;
  /** Aborting it has every job save what it has. */
  signal?: AbortSignal;
}

/** Does jobs, each in a process of its own, so many at a time. One that fails does not stop the others. */
export async function doAll(jobs: readonly NamedJob[], options: PoolOptions): Promise<Failure[]> {
  const waiting = [...jobs];
  const failures: Failure[] = [];
  const lane = async () => {
    for (let next = waiting.shift(); next && !options.signal?.aborted; next = waiting.shift()) {
      options.onBegin(next.name);
      const failure = await doInProcess(next, options);
      if (failure) failures.push(failure);
      else await options.onDone(next.name);
    }
  };
  await Promise.all(Array.from({length: options.size}, lane));
  return failures;
}

function doInProcess({name, job}: NamedJob, {onShare, signal}: PoolOptions): Promise<Failure | null> {
  return new Promise((resolve) => {
    const worker = fork(WORKER, {execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc']});
    const stop = () => tell(worker, {stop: true});
    signal?.addEventListener('abort', stop);
    let said = '';
    let ended: Failure | null | undefined;
    worker.stderr!.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
    worker.on('message', (news: News) => {
      if ('share' in news) onShare(name, news.share);
      else ended = 'failure' in news ? {name, message: news.failure, exitCode: news.exitCode} : null;
    });
    worker.on('close', (code, killed) => {
      signal?.removeEventListener('abort', stop);
      const how = killed ?? `exit code ${code}`;
      const message = `its process ended early (${how})${said === '' ? '' : `: ${said.trim()}`}`;
      resolve(ended === undefined ? {name, message, exitCode: 1} : ended);
    });
    tell(worker, {job});
  });
}

const tell = (worker: ChildProcess, order: Order) => {
  if (worker.connected) worker.send(order);
};

import {fork} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {z} from 'zod';
import type {EvalJob, EvalResult, Job, TrainJob, TrainResult} from './jobs.js';

const message = z.union([
  z.object({share: z.number()}),
  z.object({error: z.string()}),
  z.object({result: z.unknown()}),
]);

/** Runs a job in a process of its own. */
function runInProcess(job: Job, onShare: (share: number) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)));
    let ended = false;
    worker.on('message', (raw) => {
      const news = message.parse(raw);
      if ('share' in news) return onShare(news.share);
      ended = true;
      if ('error' in news) reject(new Error(news.error));
      else resolve(news.result);
    });
    worker.on('exit', (code, signal) => {
      if (!ended) reject(new Error(`a worker of the demo ended early (${signal ?? `exit code ${code}`}).`));
    });
    worker.send(job);
  });
}

/** Work done and to be done, in any unit that is about proportional to time. */
export type OnWork = (done: number, total: number) => void;

/** Runs jobs, so many at a time, and adds up their work. */
export class Pool {
  private done = 0;
  private active = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly size: number,
    private readonly total: number,
    private readonly onWork: OnWork,
  ) {}

  run(job: TrainJob, work: number): Promise<TrainResult>;
  run(job: EvalJob, work: number): Promise<EvalResult>;
  async run(job: Job, work: number): Promise<unknown> {
    if (this.active >= this.size) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.active++;
    let share = 0;
    try {
      return await runInProcess(job, (next) => {
        this.done += (next - share) * work;
        share = next;
        this.onWork(this.done, this.total);
      });
    } finally {
      this.active--;
      this.waiting.shift()?.();
    }
  }
}

import {ZttError} from '../errors.js';
import {doJob, type Job} from './job.js';

// A process for one job. It is told the job, and perhaps to stop; it tells its share, and how it ended.

/** What a worker is told. */
export type Order = {job: Job} | {stop: true};
/** What a worker tells. */
export type News = {share: number} | {done: true} | {failure: string; exitCode: number};

const abort = new AbortController();
const tell = (news: News) => process.send!(news);
/** The last news; then the process ends by itself. */
const tellLast = (news: News) => process.send!(news, () => process.disconnect());

// A terminal's Ctrl-C goes to every process; the first one decides what comes of it.
process.on('SIGINT', () => undefined);
// Nobody is left to tell: what is saved is saved.
process.on('disconnect', () => process.exit());
process.on('message', (order: Order) => {
  if ('stop' in order) return abort.abort();
  doJob(order.job, {onShare: (share) => tell({share}), signal: abort.signal}).then(
    () => tellLast({done: true}),
    (error: Error) => {
      if (error instanceof ZttError) tellLast({failure: error.message, exitCode: error.exitCode});
      else tellLast({failure: error.stack ?? error.message, exitCode: 1});
    },
  );
});

import {runEvalJob, runTrainJob, type Job} from './jobs.js';

/** A process for one job: an engine without threads of its own keeps one core busy, so jobs run side by side. */
process.once('message', (job: Job) => {
  const report = (share: number) => process.send!({share});
  const running = job.kind === 'train' ? runTrainJob(job, report) : runEvalJob(job, report);
  running.then(
    (result) => process.send!({result}, () => process.disconnect()),
    (error: Error) => process.send!({error: error.message}, () => process.disconnect()),
  );
});

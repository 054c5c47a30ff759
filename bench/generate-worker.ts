/** Our side of bench/generate.ts: answers a line for each line, as bench/generate.py does. */
import {createInterface} from 'node:readline';
import {z} from 'zod';
import {generate, load} from '../src/index.js';

const question = z.object({ask: z.enum(['generate', 'anew']), ids: z.array(z.number()), tokens: z.number()});

const [folder, engine, threads] = process.argv.slice(2) as [string, string, string];
const model = await load(folder, {engine, threads: Number(threads)});

for await (const line of createInterface({input: process.stdin})) {
  const {ask, ids, tokens} = question.parse(JSON.parse(line));
  const [begun, before] = [performance.now(), process.cpuUsage()];
  const made = ask === 'generate' ? await cached(ids, tokens) : await anew(ids, tokens);
  const {user, system} = process.cpuUsage(before);
  process.stdout.write(
    `${JSON.stringify({ids: made, seconds: (performance.now() - begun) / 1000, cpu: (user + system) / 1e6})}\n`,
  );
}

async function cached(ids: number[], maxNewTokens: number): Promise<number[]> {
  const made: number[] = [];
  for await (const {id} of generate(model, ids, {maxNewTokens})) made.push(id);
  return made;
}

/** Each token from all before it, as before there was a cache. */
async function anew(ids: number[], tokens: number): Promise<number[]> {
  const row = [...ids];
  for (let made = 0; made < tokens; made++) {
    const {logits, shape} = await model.logits([row]);
    const last = logits.subarray((shape[1] - 1) * shape[2]);
    row.push(last.reduce((best, logit, id) => (logit > last[best]! ? id : best), 0));
  }
  return row.slice(ids.length);
}

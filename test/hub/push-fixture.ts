import {cp, mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect} from 'vitest';
import {push, type PushOptions, type PushReport} from '../../src/hub/index.js';
import {HubServer, type HubCommit} from '../helpers/hub-server.js';

export const TOKEN = 'hf_abcdefghijklmnopqrstuvwxyz012345';
/** What is pushed of the folder fixtures/oracle/gpt2, by name. */
export const GPT2 = ['config.json', 'generation_config.json', 'model.safetensors'];

/** A Hub, a scratch folder and pushes between them, fresh for every test of the file that makes it. */
export class PushFixture {
  server!: HubServer;
  scratch!: string;
  /** The waits between attempts that pushes asked for, in milliseconds; none is really waited. */
  waits: number[] = [];
  /** What pushes told their users. */
  notes: string[] = [];

  constructor() {
    beforeEach(async () => {
      this.server = await HubServer.start({token: TOKEN, namespaces: ['ann']});
      this.scratch = await mkdtemp(join(tmpdir(), 'ztt-push-'));
      this.waits = [];
      this.notes = [];
    });
    afterEach(async () => {
      await this.server.stop();
      await rm(this.scratch, {recursive: true});
    });
  }

  /** A copy of a fixture folder that the test may change. */
  async copyOf(name: string): Promise<string> {
    const dir = join(this.scratch, name);
    await cp(join('fixtures/oracle', name), dir, {recursive: true});
    return dir;
  }

  async push(dir: string, options: Partial<PushOptions> = {}): Promise<PushReport> {
    const sleep = (ms: number) => {
      this.waits.push(ms);
      return Promise.resolve();
    };
    const env = {HF_TOKEN: TOKEN, HF_ENDPOINT: this.server.endpoint};
    const onNote = (line: string) => this.notes.push(line);
    return push({dir, repo: 'ann/model', env, sleep, onNote, ...options});
  }

  /** The error that a push ends with; the test fails if it ends well. */
  async failure(dir: string, options: Partial<PushOptions> = {}): Promise<Error> {
    return errorOf(this.push(dir, options));
  }

  /** The last commit of ann/model. */
  get head(): HubCommit {
    return this.server.repos.get('ann/model')!.commits.at(-1)!;
  }

  /** How many commits ann/model has: one from its creation, and one for each push. */
  get commits(): number {
    return this.server.repos.get('ann/model')!.commits.length;
  }

  /** Expects exactly these files of a folder on the server, byte for byte, and perhaps others beside them. */
  async expectPushed(dir: string, names: string[], others: string[] = []): Promise<void> {
    const {files} = this.head;
    expect([...files.keys()].sort()).toEqual(['.gitattributes', ...names, ...others].sort());
    for (const name of names) {
      expect(files.get(name)!.content.equals(await readFile(join(dir, name))), name).toBe(true);
    }
  }
}

/** The error that a promise is rejected with; the test fails if it is not. */
export async function errorOf(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

/** The bytes of some files of a folder together. */
export async function bytesOf(dir: string, names: string[]): Promise<number> {
  const contents = await Promise.all(names.map((name) => readFile(join(dir, name))));
  return contents.reduce((sum, {byteLength}) => sum + byteLength, 0);
}

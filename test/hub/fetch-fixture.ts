import {lstatSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join, relative} from 'node:path';
import {afterEach, beforeEach} from 'vitest';
import {fetchModel, type FetchedModel, type FetchModelOptions} from '../../src/hub/index.js';
import {filesOf} from '../helpers/hub-repos.js';
import {HubServer, type HubServerOptions} from '../helpers/hub-server.js';
import {freshTempFolder} from '../helpers/temp.js';

export const TOKEN = 'hf_abcdefghijklmnopqrstuvwxyz012345';
export const GPT2 = 'fixtures/oracle/gpt2';

/** A Hub that has models, a temporary folder with an empty cache, and downloads between them; fresh for every test. */
export class FetchFixture {
  server!: HubServer;
  readonly temp = freshTempFolder();
  /** What users would be told, in order. */
  notes: string[] = [];
  /** The waits between attempts that were asked for, in milliseconds; none is really waited. */
  waits: number[] = [];

  constructor(private readonly options: Partial<HubServerOptions> = {}) {
    beforeEach(async () => {
      this.server = await HubServer.start({token: TOKEN, namespaces: ['ann'], ...this.options});
      this.notes = [];
      this.waits = [];
    });
    afterEach(async () => {
      await this.server.stop();
    });
  }

  /** The cache's folder, as HF_HOME leads to it. */
  get cache(): string {
    return this.temp.path('home', 'hub');
  }

  get env(): Record<string, string> {
    return {HF_ENDPOINT: this.server.endpoint, HF_HOME: this.temp.path('home')};
  }

  /** Puts a folder's files into a repo. Returns the commit. */
  publish(id: string, folder = GPT2): string {
    return this.server.addFiles(id, filesOf(folder));
  }

  get reach(): FetchModelOptions {
    return {
      env: this.env,
      onNote: (line) => this.notes.push(line),
      sleep: (ms) => {
        this.waits.push(ms);
        return Promise.resolve();
      },
    };
  }

  async fetch(model: string, options: FetchModelOptions = {}): Promise<FetchedModel> {
    return fetchModel(model, {...this.reach, ...options});
  }

  /** Everything in the temporary folder: for each file its bytes' number, or where a link leads. */
  listing(): Record<string, number | string> {
    const root = this.temp.path();
    const entries = readdirSync(root, {recursive: true, withFileTypes: true}).filter(
      (one) => !one.isDirectory(),
    );
    return Object.fromEntries(
      entries.map(({parentPath, name}) => {
        const path = join(parentPath, name);
        const found = lstatSync(path);
        return [relative(root, path), found.isSymbolicLink() ? `-> ${readlinkSync(path)}` : found.size];
      }),
    );
  }
}

/** Whether two files have the same bytes. */
export const sameBytes = (a: string, b: string): boolean => readFileSync(a).equals(readFileSync(b));

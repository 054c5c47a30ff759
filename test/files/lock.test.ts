import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, readdir, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, expect, it, vi} from 'vitest';
import {withLock} from '../../src/files/index.js';
import {FileError, InterruptedError} from '../../src/index.js';
import {freshTempFolder} from '../helpers/temp.js';

const temp = freshTempFolder();

const folder = () => temp.path('runs', 'one');
const soon = {patienceMs: 100};

/** Another process that holds the folder's lock until it is killed. */
async function holder(): Promise<{kill: () => Promise<void>; pid: number}> {
  const script = `
    import {withLock} from ${JSON.stringify(new URL('../../dist/files/index.js', import.meta.url).href)};
    await withLock(${JSON.stringify(folder())}, () => new Promise(() => { console.log('held'); setInterval(() => {}, 1000); }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  killed.push(child);
  await once(child.stdout, 'data');
  const kill = async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  };
  return {kill, pid: child.pid!};
}
const killed: {kill: (signal: 'SIGKILL') => boolean}[] = [];
afterEach(() => killed.splice(0).forEach((child) => child.kill('SIGKILL')));

it('makes the folder, and leaves none where nothing was put in', async () => {
  const names = await withLock(folder(), async () => readdir(folder()));
  expect(names).toEqual([expect.stringMatching(/^\.lock\..*\.locked$/)]);
  expect(await readdir(temp.path())).toEqual([]);
  await withLock(folder(), () => writeFile(join(folder(), 'result'), ''));
  expect(await readdir(folder())).toEqual(['result']);
});

it('gives back what the work gives, and lets go where it throws', async () => {
  expect(await withLock(folder(), () => Promise.resolve(7))).toBe(7);
  await expect(withLock(folder(), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await withLock(folder(), () => Promise.resolve(8), soon)).toBe(8);
});

it('of a process that cannot be seen holds while it gives signs of life, and ten minutes longer', async () => {
  await mkdir(folder(), {recursive: true});
  const other = join(folder(), '.lock.00000000-1-00000000.locked');
  await writeFile(other, '');
  const lock = () => withLock(folder(), () => Promise.resolve(7), soon);
  await expect(lock()).rejects.toThrow(/in use by process 1 of another machine/);
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
  await utimes(other, minutesAgo(9), minutesAgo(9));
  await expect(lock()).rejects.toThrow(/another machine/);
  await utimes(other, minutesAgo(11), minutesAgo(11));
  expect(await lock()).toBe(7);
});

it('keeps its time of change at now', async () => {
  vi.useFakeTimers({toFake: ['setInterval', 'clearInterval']});
  try {
    await withLock(folder(), async () => {
      const [name] = await readdir(folder());
      const path = join(folder(), name!);
      await utimes(path, new Date(0), new Date(0));
      await vi.advanceTimersByTimeAsync(15_000);
      await vi.waitFor(async () => expect((await stat(path)).mtimeMs).toBeGreaterThan(1e12));
    });
  } finally {
    vi.useRealTimers();
  }
});

it('is for one at a time, within a process too', async () => {
  await withLock(folder(), async () => {
    await expect(withLock(folder(), () => Promise.resolve(), soon)).rejects.toThrow(
      new RegExp(`in use by process ${process.pid} of this machine; wait for it, or remove .*\\.locked`),
    );
  });
});

it('waits for a process that is just ending', async () => {
  const order: string[] = [];
  let end = () => {};
  let hold = () => {};
  const held = new Promise<void>((resolve) => (hold = resolve));
  const first = withLock(folder(), async () => {
    hold();
    await new Promise<void>((resolve) => (end = resolve));
    order.push('first');
  });
  // Of two that come at once, either may be first.
  await held;
  const second = withLock(folder(), () => Promise.resolve(order.push('second')));
  setTimeout(() => end(), 300);
  await Promise.all([first, second]);
  expect(order).toEqual(['first', 'second']);
});

it('keeps another process out until it is killed', async () => {
  const {kill, pid} = await holder();
  const refused = withLock(folder(), () => Promise.resolve(), soon);
  await expect(refused).rejects.toThrow(FileError);
  await expect(refused).rejects.toThrow(`process ${pid}`);
  await kill();
  expect(await withLock(folder(), () => readdir(folder()), soon)).toHaveLength(1);
});

it('never takes the lock of another machine', async () => {
  await mkdir(folder(), {recursive: true});
  await writeFile(join(folder(), '.lock.00000000-1-abcdef01.locked'), '');
  await expect(withLock(folder(), () => Promise.resolve(), soon)).rejects.toThrow(
    /process 1 of another machine/,
  );
});

it('stops waiting when told to, and refuses a file', async () => {
  await withLock(folder(), () =>
    expect(withLock(folder(), () => Promise.resolve(), {signal: AbortSignal.timeout(50)})).rejects.toThrow(
      InterruptedError,
    ),
  );
  await writeFile(temp.path('file'), '');
  await expect(withLock(temp.path('file'), () => Promise.resolve())).rejects.toThrow(
    /file is a file; name another/,
  );
});

import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, readdirSync} from 'node:fs';
import {mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {EngineError} from '../../src/index.js';
import {installTensorflow, type InstallReport} from '../../src/setup/index.js';
import {archiveAddress, downloadLibrary} from '../../src/setup/archive.js';
import {RecordingServer, type Trouble} from '../helpers/recording-server.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makeLibrary, makePackage, makePath, makeProgram} from './fixtures.js';

/** As published for this machine, and nowhere else made. */
const published = process.platform === 'linux' && process.arch === 'x64';

describe.runIf(published)('ztt engines install tensorflow --download', () => {
  const temp = sharedTempFolder();
  let path: string;
  let server: RecordingServer;

  beforeAll(async () => {
    path = await makePath(temp.path('bin'));
    await makePackage(temp, path);
    const library = await makeLibrary(temp.path('library'));
    const archive = temp.path('archive.tar.gz');
    await promisify(execFile)('tar', ['-czf', archive, '-C', library, 'include', 'lib']);
    const body = await readFile(archive);
    const md5 = createHash('md5').update(body).digest('base64');
    const headers = {'x-goog-hash': `crc32c=AAAAAA==,md5=${md5}`};
    const answer = () => ({status: 200, body, headers});
    server = new RecordingServer([{name: 'archive', method: 'GET', path: /\.tar\.gz$/, answer}]);
    await server.start();
  });
  afterAll(async () => {
    await server?.stop();
  });

  const env = (data: string) => ({PATH: path, HOME: temp.path(), XDG_DATA_HOME: temp.path(data)});
  const install = (
    archives: string,
    onBytes?: (done: number, total: number) => void,
  ): Promise<InstallReport> => installTensorflow({download: true, archives, onBytes, env: env('data')});

  it('keeps the libraries beside the binding, and tells how far it is', async () => {
    const seen: number[] = [];
    const report = await install(server.origin, (done, total) => seen.push(done / total));
    expect(report.tensorflow).toBe('2.18.0');
    expect(report.source).toEqual({
      kind: 'download',
      from: `${server.origin}/2.18.0/libtensorflow-cpu-linux-x86_64.tar.gz`,
    });
    expect(seen.at(-1)).toBe(1);
    const names = ['engine.json', 'lib', 'tfjs-node', 'tfjs_binding.node'];
    expect(readdirSync(report.folder).sort()).toEqual(names);
    // What was downloaded moves with the folder.
    const {libraries} = JSON.parse(await readFile(join(report.folder, 'engine.json'), 'utf8')) as {
      libraries: string[];
    };
    expect(libraries).toEqual(['lib/libtensorflow.so.2', 'lib/libtensorflow_framework.so.2']);
    expect(await install(server.origin)).toEqual({...report, built: false});
  });

  it('takes the archive with CUDA where there is a GPU', async () => {
    const bin = await makePath(temp.path('gpu'), ['sh', 'cat']);
    await makeProgram(bin, 'nvidia-smi', 'echo "0, NVIDIA H200, 143771, 550.54"');
    expect(await archiveAddress({PATH: bin})).toBe(
      'https://storage.googleapis.com/tensorflow/versions/2.18.0/libtensorflow-gpu-linux-x86_64.tar.gz',
    );
  });

  it.each<[string, Trouble, RegExp]>([
    ['is not there', {kind: 'answer', status: 404}, /cannot be downloaded: the server answered 404/],
    [
      'is cut off',
      {kind: 'cut', after: 1000},
      /cannot be downloaded: the connection was cut; --from-pip PYTHON/,
    ],
    [
      'is not the one the server has',
      {kind: 'alter', change: (answer) => ({...answer, headers: {'x-goog-hash': 'md5=AAAA'}})},
      /not what the server has, by its md5/,
    ],
    [
      'is no archive',
      {kind: 'answer', status: 200, body: Buffer.from('<html>'), headers: {}},
      /cannot be unpacked: /,
    ],
    ['is of no known size', {kind: 'endless'}, /does not say how large it is/],
    [
      'is larger than the disk',
      {kind: 'answer', status: 200, body: Buffer.from('x'), headers: {'content-length': '900000000000000'}},
      /needs \d+\.\d+ GB, and its disk has/,
    ],
  ])('leaves nothing where the archive %s', async (_, trouble, message) => {
    server.trouble('archive', trouble);
    const installing = installTensorflow({download: true, archives: server.origin, env: env('trouble')});
    await expect(installing).rejects.toThrow(message);
    expect(existsSync(temp.path('trouble'))).toBe(false);
  });

  it('says that there is no network, and what needs none', async () => {
    const gone = new RecordingServer([]);
    await gone.start();
    await gone.stop();
    const installing = installTensorflow({download: true, archives: gone.origin, env: env('none')});
    await expect(installing).rejects.toThrow(EngineError);
    await expect(installing).rejects.toThrow(
      /connection refused; --from-pip PYTHON or --libtensorflow DIR need no/,
    );
  });

  it('gives up a server that says nothing more', async () => {
    server.trouble('archive', {kind: 'silence', after: 1000});
    const [stage, work] = [temp.path('stage'), temp.path('work')];
    await mkdir(work);
    const downloading = downloadLibrary(`${server.origin}/x.tar.gz`, {stage, work, stallMs: 300});
    await expect(downloading).rejects.toThrow(/nothing came for 0\.3 s/);
  });
});

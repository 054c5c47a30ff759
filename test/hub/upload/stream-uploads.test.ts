import {mkdtemp, open, rm} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {FileBlob} from '../../../src/hub/wire/file-blob.js';
import {streamUploads} from '../../../src/hub/upload/stream-uploads.js';

const MIB = 1 << 20;

it('holds a small part of a large file in memory', async () => {
  const size = 400 * MIB;
  const folder = await mkdtemp(join(tmpdir(), 'ztt-stream-'));
  const path = join(folder, 'file');
  const handle = await open(path, 'w');
  await handle.truncate(size);
  await handle.close();
  let received = 0;
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (received += chunk.byteLength));
    request.on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  let sent = 0;
  const put = streamUploads(fetch, (bytes) => {
    sent += bytes;
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const response = await put(url, {method: 'PUT', body: new FileBlob(path, 0, size)});
  server.close();
  server.closeAllConnections();
  await rm(folder, {recursive: true});

  expect(response.status).toBe(200);
  expect([sent, received]).toEqual([size, size]);
  expect(peak).toBeLessThan(200 * MIB);
});

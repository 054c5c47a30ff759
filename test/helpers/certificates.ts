import {cp, readFile, rename} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'vitest';
import {
  Checkpoint,
  convert,
  writeSafetensors,
  type Certificate,
  type ConvertOptions,
} from '../../src/index.js';
import {fromFloat32, toFloat32} from '../../src/checkpoint/index.js';
import {sha256, tensorBytes} from './tensor-bytes.js';

export const CERTIFICATE = 'ztt_certificate.json';

/** Converts, and expects the certificate to be what lies beside the model. */
export async function certified(options: ConvertOptions): Promise<Certificate> {
  const {certificate} = await convert(options);
  expect(JSON.parse(await readFile(join(options.output, CERTIFICATE), 'utf8'))).toEqual(certificate);
  return certificate!;
}

/** Expects a certificate to be of these two checkpoints, tensor by tensor. */
export async function expectTrue(certificate: Certificate, before: string, after: string): Promise<void> {
  const [read, written] = [await tensorBytes(before), await tensorBytes(after)];
  const hashes = (all: Map<string, Buffer>) =>
    new Map([...all].map(([name, bytes]) => [name, sha256(bytes)]));
  const listed = (entries: {name: string; sha256: string}[]) =>
    new Map(entries.map((each) => [each.name, each.sha256]));
  expect(listed(certificate.source_tensors)).toEqual(hashes(read));
  expect(listed(certificate.tensors)).toEqual(hashes(written));
  for (const {name, how, to, why} of certificate.source_tensors) {
    expect([name, how === 'dropped']).toEqual([name, to === null && why !== null]);
    if (how === 'copied') expect(written.get(to!)!.equals(read.get(name)!), name).toBe(true);
  }
}

/** Copies a float32 checkpoint of one file to a folder, with the first values of a tensor changed. */
export async function copyWithValues(
  from: string,
  folder: string,
  tensor: string,
  values: ArrayLike<number>,
): Promise<void> {
  await cp(from, folder, {recursive: true});
  const tensors = await tensorBytes(from);
  const changed = toFloat32(tensors.get(tensor)!, 'F32').slice();
  changed.set(values);
  tensors.set(tensor, Buffer.from(fromFloat32(changed, 'F32')));
  const checkpoint = await Checkpoint.open(from);
  const sources = [...tensors].map(([name, bytes]) => ({...checkpoint.info(name), chunks: () => [bytes]}));
  await checkpoint.close();
  await writeSafetensors(join(folder, 'new.safetensors'), sources);
  await rename(join(folder, 'new.safetensors'), join(folder, 'model.safetensors'));
}

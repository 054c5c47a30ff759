import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {crc32c} from '../../../src/finetune/records/crc32c.js';
import {EventFile} from '../../../src/finetune/records/event-file.js';
import {sharedTempFolder} from '../../helpers/temp.js';

const temp = sharedTempFolder();

it('crc32c gives the checksums of RFC 3720, B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({length: 32}, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

/** The data of each record, its framing checked against the format's definition. */
function records(file: Buffer): Buffer[] {
  const found: Buffer[] = [];
  const masked = (bytes: Buffer) => {
    const crc = crc32c(bytes);
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  };
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(data));
    found.push(data);
    at += length + 16;
  }
  return found;
}

/** Without the wall time, which stands first: key 0x09 and eight bytes. */
const withoutTime = (event: Buffer): string => {
  expect(event[0]).toBe(0x09);
  const seconds = event.readDoubleLE(1);
  expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60);
  return event.subarray(9).toString('hex');
};

it('writes what TensorBoard reads: the bytes are those of its own writer', async () => {
  const file = await EventFile.create(temp.path('run'), 301);
  await file.add({step: 301, loss: 4.5, held_out: undefined});
  const [name] = await readdir(temp.path('run', 'tensorboard'));
  expect(name).toMatch(/^events\.out\.tfevents\.\d+\.\d{3}\.ztt\.\d+$/);
  const [version, start, step] = records(await readFile(join(temp.path('run', 'tensorboard'), name!)));
  expect(withoutTime(version!)).toBe(`1000${'1a0d'}${Buffer.from('brain.Event:2').toString('hex')}`);
  // step 301 as a varint; session_log {status: START}
  expect(withoutTime(start!)).toBe('10ad02' + '3a020801');
  // summary {value {tag: "train/loss", simple_value: 4.5}}
  const value = `0a0a${Buffer.from('train/loss').toString('hex')}1500009040`;
  expect(withoutTime(step!)).toBe('10ad02' + `2a13` + `0a11${value}`);
});

it('has a scalar for each metric and slot', async () => {
  const file = await EventFile.create(temp.path('all'), 0);
  const exits = [{threshold: 0.2, loss: 5, mean_slots: 3, flops_per_token: 1, exits_by_slot: {}}];
  const heldOut = {loss: 4, zero_attention: [0.1, 0.2], exits, blocks: 1, seconds: 1};
  await file.add({step: 1, lr: 1e-3, cycles: 2, zero_attention: [0.5], held_out: heldOut});
  const [name] = await readdir(temp.path('all', 'tensorboard'));
  const all = records(await readFile(join(temp.path('all', 'tensorboard'), name!)))
    .at(-1)!
    .toString('latin1');
  for (const tag of [
    'train/lr',
    'train/cycles',
    'zero_attention/slot_00',
    'held_out/loss',
    'held_out_zero_attention/slot_01',
    'held_out_P_0.2/loss',
    'held_out_P_0.2/mean_slots',
  ]) {
    expect(all).toContain(tag);
  }
});

import {appendFile, mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {asFileError} from '../../files/index.js';
import {crc32c} from './crc32c.js';
import type {MetricsLine} from './metrics.js';

/** The version that TensorBoard's readers know. */
const FILE_VERSION = 'brain.Event:2';

/**
 * A run's metrics as TensorBoard reads them: `tensorboard/events.out.tfevents.*` in the run folder, TFRecords of
 * `tensorflow.Event` (tensorflow/core/util/event.proto). No library for Node writes them, and what is needed of
 * the format is this file.
 */
export class EventFile {
  private constructor(private readonly path: string) {}

  /**
   * Begins a file. Readers drop what earlier files of the run have from `firstStep` on.
   * @throws FileError if the disk refuses it
   */
  static async create(run: string, firstStep: number): Promise<EventFile> {
    const folder = join(run, 'tensorboard');
    await mkdir(folder, {recursive: true});
    const seconds = Date.now() / 1000;
    const file = new EventFile(join(folder, `events.out.tfevents.${seconds.toFixed(3)}.ztt.${process.pid}`));
    await file.append([
      event(seconds, 0, text(3, FILE_VERSION)),
      // SessionLog with the status START.
      event(seconds, firstStep, message(7, varint(1, 1))),
    ]);
    return file;
  }

  /** Adds a step's metrics. @throws FileError if the disk refuses it */
  async add(line: MetricsLine): Promise<void> {
    const values = scalars(line).map(([tag, value]) => message(1, text(1, tag), float(2, value)));
    await this.append([event(Date.now() / 1000, line.step, message(5, ...values))]);
  }

  private async append(events: readonly Buffer[]): Promise<void> {
    await appendFile(this.path, Buffer.concat(events.map(record))).catch((error: unknown) => {
      throw asFileError(error, this.path);
    });
  }
}

/** A step's metrics by TensorBoard's tags. */
function scalars(line: MetricsLine): [tag: string, value: number][] {
  const {held_out: heldOut} = line;
  const bySlot = (prefix: string, values: readonly number[] = []) =>
    values.map((value, slot): [string, number] => [`${prefix}/slot_${String(slot).padStart(2, '0')}`, value]);
  const train = (['loss', 'lr', 'grad_norm', 'tokens_per_second', 'flops', 'cycles'] as const).flatMap(
    (key): [string, number][] => (line[key] === undefined ? [] : [[`train/${key}`, line[key]]]),
  );
  const exits = (heldOut?.exits ?? []).flatMap(({threshold, loss, mean_slots: slots}): [string, number][] => [
    [`held_out_P_${threshold}/loss`, loss],
    [`held_out_P_${threshold}/mean_slots`, slots],
  ]);
  return [
    ...train,
    ...bySlot('zero_attention', line.zero_attention),
    ...(heldOut ? [['held_out/loss', heldOut.loss] as [string, number]] : []),
    ...bySlot('held_out_zero_attention', heldOut?.zero_attention),
    ...exits,
  ];
}

/** A TFRecord: length, masked checksum of the length, data, masked checksum of the data. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

/** tensorflow/core/lib/hash/crc32c.h: rotated right by 15 bits, and a constant added. */
function maskedChecksum(bytes: Buffer): Buffer {
  const crc = crc32c(bytes);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

const event = (wallTime: number, step: number, what: Buffer): Buffer =>
  Buffer.concat([double(1, wallTime), varint(2, step), what]);

// Protocol buffers' wire format: a key of field number and type, then the value.

const key = (field: number, type: number): Buffer => Buffer.from([(field << 3) | type]);

function varint(field: number, value: number): Buffer {
  return Buffer.concat([key(field, 0), unsigned(value)]);
}

function unsigned(value: number): Buffer {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), bytes]);
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, 5), bytes]);
}

function message(field: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([key(field, 2), unsigned(body.length), body]);
}

const text = (field: number, value: string): Buffer => message(field, Buffer.from(value, 'utf8'));

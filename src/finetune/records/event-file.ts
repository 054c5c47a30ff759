import {appendFile, mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {BinaryWriter, WireType} from '@bufbuild/protobuf/wire';
import {asFileError} from '../../files/index.js';
import {crc32c} from './crc32c.js';
import type {MetricsLine} from './metrics.js';

/** The version that TensorBoard's readers know. */
const FILE_VERSION = 'brain.Event:2';

/**
 * A run's metrics as TensorBoard reads them: `tensorboard/events.out.tfevents.*` in the run folder, TFRecords of
 * `tensorflow.Event` (tensorflow/core/util/event.proto). No library for Node writes them; the messages are encoded by
 * `BinaryWriter`, and this file knows the fields and the record format.
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
      event(seconds, firstStep, message(7, int64(1, 1))),
    ]);
    return file;
  }

  /** Adds a step's metrics. @throws FileError if the disk refuses it */
  async add(line: MetricsLine): Promise<void> {
    const values = scalars(line).map(([tag, value]) => message(1, text(1, tag), float(2, value)));
    await this.append([event(Date.now() / 1000, line.step, message(5, ...values))]);
  }

  private async append(events: readonly Uint8Array[]): Promise<void> {
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
function record(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

/** tensorflow/core/lib/hash/crc32c.h: rotated right by 15 bits, and a constant added. */
function maskedChecksum(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

/** One field of a message, which adds itself to the message's bytes. */
type Field = (writer: BinaryWriter) => BinaryWriter;

const event = (wallTime: number, step: number, what: Field): Uint8Array =>
  bytesOf(double(1, wallTime), int64(2, step), what);

const bytesOf = (...fields: Field[]): Uint8Array =>
  fields.reduce((writer, field) => field(writer), new BinaryWriter()).finish();

const int64 =
  (field: number, value: number): Field =>
  (writer) =>
    writer.tag(field, WireType.Varint).int64(value);
const double =
  (field: number, value: number): Field =>
  (writer) =>
    writer.tag(field, WireType.Bit64).double(value);
const float =
  (field: number, value: number): Field =>
  (writer) =>
    writer.tag(field, WireType.Bit32).float(value);
const text =
  (field: number, value: string): Field =>
  (writer) =>
    writer.tag(field, WireType.LengthDelimited).string(value);
const message =
  (field: number, ...fields: Field[]): Field =>
  (writer) =>
    writer.tag(field, WireType.LengthDelimited).bytes(bytesOf(...fields));

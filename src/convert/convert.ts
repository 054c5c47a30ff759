import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {
  byteLength,
  checkCarriedFiles,
  DTYPE_NAMES,
  reuseChunk,
  writeModelInfo,
  writeWeights,
  type DtypeName,
  type FloatDtype,
  type WeightWriter,
} from '../checkpoint/index.js';
import {flushFolder, requireFreeOutput, requireFreeSpace, writeFolder} from '../files/index.js';
import {useEngine, type EngineChoice} from '../engine/index.js';
import {modelConfigJson, type ZttConfig} from '../model/index.js';
import {checkOptions} from '../options/index.js';
import {CERTIFICATE, certificateText, certify, type Certificate} from './proof/certificate.js';
import {compareLogits, requireMemoryToLoad} from './proof/compare-logits.js';
import {CONVERT_OPTIONS, type VerifyLevel} from './options.js';
import type {PlanOptions} from './plan/options.js';
import {PhaseProgress, type ConvertPhase} from './plan/phase-progress.js';
import type {PlannedTensor} from './plan/tensor-plan.js';
import {prepare, type Conversion, type ConversionSummary} from './plan/prepare.js';
import {verifyTensors} from './proof/verify.js';

/** `engine` and `device` compute under `verify: 'logits'`. */
export interface ConvertOptions extends PlanOptions, EngineChoice {
  source: string;
  /**
   * How the output proves itself; default `bytes`: every tensor is read back and compared with the source.
   * `logits` also compares what the two models predict, for which each is loaded.
   */
  verify?: VerifyLevel;
  onPhase?: (phase: ConvertPhase) => void;
  /** Bytes read so far in this phase, of all that it reads. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Told before long or heavy work: what it will take. */
  onNote?: (note: string) => void;
  signal?: AbortSignal;
}

export interface ConvertReport extends ConversionSummary {
  verified: VerifyLevel;
  /** What lies beside the model as ztt_certificate.json; null without verification. */
  certificate: Certificate | null;
}

/**
 * Converts a source checkpoint to a layout: new names, the source's bytes. Streams; the output appears whole or
 * not at all.
 * @throws UsageError for options that cannot be, FileError, FormatError or UnsupportedError for the source or output
 */
export async function convert(options: ConvertOptions): Promise<ConvertReport> {
  const {output, engine, device, onNote} = options;
  checkOptions(CONVERT_OPTIONS, options);
  const {verify = CONVERT_OPTIONS.verify.default} = options;
  const outputOptions = {replace: options.force ?? false, sources: [options.source]};
  const target = await requireFreeOutput(output, outputOptions);
  const progress = new PhaseProgress(options);
  const conversion = await prepare(options, progress.advance);
  try {
    const {summary} = conversion;
    await requireFreeSpace(target, conversion.files.bytes);
    await checkCarriedFiles(conversion.reader.checkpoint.folder, conversion.config.base);
    if (verify === 'logits') {
      // An engine that cannot run, or a model that is too large for it, is told before the work.
      requireMemoryToLoad(conversion.config.arch, onNote);
      await useEngine({engine, device});
    }
    const certificate = await writeFolder(
      output,
      async (stage) => {
        const ztt = await writeConverted(stage, conversion, options.maxShardBytes, progress);
        if (verify === 'none') return null;
        progress.begin('verifying', bytesToVerify(conversion));
        // The disk writes while the system's memory is read back.
        const [digests] = await Promise.all([
          verifyTensors(stage, conversion.planned, conversion.reader, progress.advance),
          flushFolder(stage),
        ]);
        const comparison =
          verify === 'logits'
            ? await compareLogits(options.source, stage, conversion, progress, {engine, device})
            : null;
        const certificate = await certify(conversion, ztt.source, digests, comparison);
        await writeFile(join(stage, CERTIFICATE), certificateText(certificate));
        progress.advance(0);
        return certificate;
      },
      outputOptions,
    );
    return {...summary, verified: verify, certificate};
  } finally {
    await conversion.reader.close();
  }
}

/** Fills a folder with the converted model. Returns the `ztt` entry of its config. */
async function writeConverted(
  stage: string,
  conversion: Conversion,
  maxShardBytes: number | undefined,
  progress: PhaseProgress,
): Promise<ZttConfig> {
  const {reader, config, planned} = conversion;
  let sha256: Record<string, string> = {};
  progress.begin('copying', bytesToCopy(conversion));
  await writeWeights(
    stage,
    planned.map(({source}) => source),
    {
      maxShardBytes,
      fill: async (writer) => {
        await copyInOrder(conversion, writer);
        sha256 = await reader.fileDigests();
        for (const {how, source} of planned) {
          if (how === 'averaged' || how === 'made') await writer.write(source);
        }
      },
    },
  );
  await reader.requireUnchanged();
  const ztt = {...conversion.ztt, source: {...conversion.ztt.source, sha256}};
  const content = modelConfigJson(config.base, ztt, storedDtype(conversion));
  await writeModelInfo(stage, content, reader.checkpoint.folder);
  return ztt;
}

/** What config.json says of the dtype: the token embedding's, which nearly always is that of all. */
function storedDtype({config, planned}: Conversion): DtypeName {
  const tokens = planned.find(({source}) => source.name === `${config.arch.embedding.tokens}.weight`)!;
  return DTYPE_NAMES[tokens.source.dtype as FloatDtype];
}

/**
 * Reads the source's files from front to back, each once: tensors that are taken as they are, or cast, go to their
 * places, and all are hashed.
 */
async function copyInOrder({reader, planned}: Conversion, writer: WeightWriter): Promise<void> {
  const taken = new Map(
    planned.flatMap(({how, from, source}) =>
      how === 'copied' || how === 'cast' ? [[from[0]!, source] as const] : [],
    ),
  );
  for (const name of reader.checkpoint.tensors.keys()) {
    const source = taken.get(name);
    if (source) await writer.write(source);
    else await readThrough(reader.chunks(name));
  }
}

async function readThrough(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) reuseChunk(chunk);
}

/** The source's bytes: all once, and those that are averaged once more. */
function bytesToCopy({reader, planned}: Conversion): number {
  const all = [...reader.checkpoint.tensors.values()].reduce((sum, tensor) => sum + byteLength(tensor), 0);
  return (
    all +
    bytesToMake(
      planned.filter(({how}) => how === 'averaged'),
      reader,
    )
  );
}

/** The output's bytes, and those of the source that are cast or averaged once more. */
function bytesToVerify({reader, planned, files}: Conversion): number {
  return (
    files.bytes +
    bytesToMake(
      planned.filter(({how}) => how !== 'copied'),
      reader,
    )
  );
}

const bytesToMake = (planned: readonly PlannedTensor[], reader: Conversion['reader']): number =>
  planned.flatMap(({from}) => from).reduce((sum, name) => sum + byteLength(reader.info(name)), 0);

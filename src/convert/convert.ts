import {basename, resolve} from 'node:path';
import {
  Checkpoint,
  elementBytes,
  elementCount,
  requireFreeOutput,
  writeFolder,
  writeModelFiles,
} from '../checkpoint/index.js';
import {UnsupportedError, UsageError} from '../errors.js';
import {
  countParameters,
  flopsPerToken,
  LAYOUTS,
  mapTensors,
  modelConfigJson,
  readModelConfig,
  SHARES,
  slots,
  vanilla,
  ZERO_INITS,
  type Layout,
  type Share,
  type ZeroInit,
} from '../model/index.js';
import {planTensors, type PlannedTensor} from './plan.js';
import {arrange, type ArrangeOptions} from './share.js';
import {verifyTensors} from './verify.js';
import {zttEntry} from './ztt-entry.js';

export interface ConvertOptions extends ArrangeOptions {
  /** A GPT-2 or OPT checkpoint: a folder, or a .safetensors file beside its config.json. */
  source: string;
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** How the zero keys begin; default `normal`. */
  zeroInit?: ZeroInit;
  /** Seed of `normal` zero keys; default 0. */
  seed?: number;
  /** Read the output back and compare every tensor's sha256; default true. */
  verify?: boolean;
  /** Called after each tensor: bytes done, of all to be written and verified. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** What became of one tensor. */
export interface LedgerEntry {
  name: string;
  how: PlannedTensor['how'];
  /** The source's tensors, by their names there; several were averaged. */
  from: string[];
  /** Of the bytes written, in hex. */
  sha256: string;
}

export interface ConvertReport {
  output: string;
  layout: Layout;
  cycles: number;
  head: number;
  middle: number;
  tail: number;
  share: Share;
  /** Executed layers. */
  slots: number;
  parameters: {source: number; converted: number; withoutEmbeddings: number};
  /** Per token at full depth and full length, LM head included. */
  flopsPerToken: {source: number; converted: number};
  tensors: LedgerEntry[];
  /** Buffers of the source that are no parameters. */
  dropped: string[];
  /** Tensors of source layers that no place uses. */
  unused: string[];
  /** Whether the output was read back and found equal. */
  verified: boolean;
  bytes: number;
}

/**
 * Converts a source checkpoint to a layout: new names, the source's bytes. Streams; the output appears whole or
 * not at all.
 * @throws UsageError for options that cannot be, FileError, FormatError or UnsupportedError for the source or output
 */
export async function convert(options: ConvertOptions): Promise<ConvertReport> {
  const {zeroInit = 'normal', seed = 0, verify = true} = options;
  checkNames(options);
  await requireFreeOutput(options.output);
  const source = await Checkpoint.open(options.source);
  try {
    const config = await readModelConfig(source.folder);
    if (config.ztt) {
      throw new UnsupportedError(
        `${options.source} is already a ZTT model; convert its source, or \`ztt revert\` it first.`,
      );
    }
    const {arch} = config;
    const map = mapTensors(source, config);
    const {arrangement, share} = arrange(arch.layers, options);
    const planned = await planTensors({source, map, arch, arrangement, share, zeroInit, seed});
    const ztt = zttEntry({
      arrangement,
      share,
      zeroInit,
      seed,
      source: {
        name: basename(resolve(options.source)),
        revision: null,
        sha256: await source.sha256(),
        prefix: map.prefix,
        dropped: map.dropped,
      },
    });
    const progress = byteProgress(planned, verify ? 2 : 1, options.onProgress);
    const digests = await writeFolder(options.output, async (stage) => {
      const model = {
        tensors: planned.map((tensor) => tensor.source),
        config: modelConfigJson(config.base, ztt),
        carryFrom: source.folder,
      };
      const digests = await writeModelFiles(stage, model, {onTensor: progress, signal: options.signal});
      if (verify) await verifyTensors(stage, digests, progress, options.signal);
      return digests;
    });
    const used = new Set(planned.flatMap(({from}) => from));
    return {
      output: options.output,
      layout: ztt.layout,
      cycles: ztt.cycles,
      head: ztt.head,
      middle: ztt.middle,
      tail: ztt.tail,
      share,
      slots: slots(arrangement).length,
      parameters: {
        source: countParameters(arch, vanilla(arch.layers)).all,
        converted: countParameters(arch, arrangement).all,
        withoutEmbeddings: countParameters(arch, arrangement).withoutEmbeddings,
      },
      flopsPerToken: {
        source: flopsPerToken(arch, vanilla(arch.layers), arch.maxPositions),
        converted: flopsPerToken(arch, arrangement, arch.maxPositions),
      },
      tensors: planned.map(({source: {name}, how, from}) => ({name, how, from, sha256: digests.get(name)!})),
      dropped: map.dropped,
      unused: [...map.stored.values()].filter((name) => !used.has(name)),
      verified: verify,
      bytes: totalBytes(planned),
    };
  } finally {
    await source.close();
  }
}

const totalBytes = (planned: PlannedTensor[]): number =>
  planned.reduce((n, {source}) => n + elementCount(source.shape) * elementBytes(source.dtype), 0);

/** Adds up tensors' bytes over so many passes, and reports them. */
function byteProgress(planned: PlannedTensor[], passes: number, report: ConvertOptions['onProgress']) {
  const total = passes * totalBytes(planned);
  let done = 0;
  return (_name: string, bytes: number): void => {
    done += bytes;
    report?.(done, total);
  };
}

function checkNames(options: ConvertOptions): void {
  const {layout = 'ztt', share = 'keep', zeroInit = 'normal', seed = 0} = options;
  const check = (option: string, value: string, known: readonly string[]) => {
    if (!known.includes(value)) {
      throw new UsageError(`there is no ${option} ${JSON.stringify(value)}; there are ${known.join(', ')}.`);
    }
  };
  check('layout', layout, LAYOUTS);
  check('share', share, SHARES);
  check('zero-init', zeroInit, ZERO_INITS);
  if (!Number.isSafeInteger(seed)) throw new UsageError(`seed is ${seed}; it must be a whole number.`);
}

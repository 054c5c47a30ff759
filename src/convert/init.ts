import {elementBytes, elementCount, fromFloat32, writeModelFiles} from '../checkpoint/index.js';
import {parseWith, requireFreeOutput, writeFolder} from '../files/index.js';
import {
  countParameters,
  familyOf,
  flopsPerToken,
  modelConfigJson,
  modelTensors,
  parseArchitecture,
  slots,
  ZERO_KEYS,
  type Layout,
  type TensorSpec,
  type ZeroInit,
} from '../model/index.js';
import {checkOptions, withDefaults} from '../options/index.js';
import {withBaseConfig, type BaseConfig, type BaseConfigOptions} from './from-scratch/base-config.js';
import {randomTensor} from './from-scratch/random-tensors.js';
import {INIT_OPTIONS, MODEL_OPTIONS} from './options.js';
import {arrange, type ArrangeOptions} from './plan/share.js';
import {zeroKeys, type ZeroKeyInit} from './zero-tokens/zero-keys.js';
import {zttEntry} from './zero-tokens/ztt-entry.js';

export interface InitOptions
  extends BaseConfigOptions, Pick<ArrangeOptions, 'layout' | 'cycles' | 'head' | 'tail'> {
  /** The folder to write; it must not exist, or be empty. */
  output: string;
  /** How the zero keys begin. */
  zeroInit?: Exclude<ZeroInit, 'aligned'>;
  /** Seed of all random values. */
  seed?: number;
  /** Called now and then: bytes done, of all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface InitReport {
  output: string;
  layout: Layout;
  head: number;
  middle: number;
  tail: number;
  cycles: number;
  share: 'keep';
  /** Executed layers. */
  slots: number;
  vocabulary: number;
  parameters: {all: number; withoutEmbeddings: number};
  /** At full depth and length, LM head included. */
  flopsPerToken: number;
  bytes: number;
}

/**
 * Makes a model of any layout with random weights, as Transformers begins its family, in float32. Values are made as
 * they are written; the output appears whole or not at all.
 * @throws UsageError for options that cannot be; as `withBaseConfig`, FileError, FormatError or UnsupportedError for the config or tokenizer
 */
export async function init(options: InitOptions): Promise<InitReport> {
  checkOptions(INIT_OPTIONS, options);
  await requireFreeOutput(options.output);
  return withBaseConfig(options, (config) => write(options, config));
}

async function write(options: InitOptions, {base, carryFrom, where}: BaseConfig): Promise<InitReport> {
  const {output, onProgress, signal} = options;
  const {zeroInit, seed} = withDefaults(INIT_OPTIONS, options);
  const arch = parseArchitecture(base, where);
  const {arrangement} = arrange(arch.layers.length, options);
  const zeroKeyInit = {kind: zeroInit, seed, beta: MODEL_OPTIONS['zero-init-beta'].default};
  const values = parseWith(familyOf(arch).initialValues, base, where);
  const specs = modelTensors(arch, arrangement);
  const tensors = specs.map((spec) =>
    spec.name === ZERO_KEYS ? keys(spec, zeroKeyInit) : randomTensor(arch, spec, values, seed),
  );
  const source = {name: 'random', revision: null, sha256: {}, prefix: '', dropped: []};
  const ztt = zttEntry({arrangement, share: 'keep', zeroInit: zeroKeyInit, source});
  const total = specs.reduce((n, {shape}) => n + elementCount(shape) * elementBytes('F32'), 0);
  let done = 0;
  const onBytes = (bytes: number) => onProgress?.((done += bytes), total);
  const config = modelConfigJson(base, ztt, 'float32');
  await writeFolder(output, (stage) =>
    writeModelFiles(stage, {tensors, config, carryFrom}, {onBytes, signal}),
  );
  return {
    output,
    layout: ztt.layout,
    head: ztt.head,
    middle: ztt.middle,
    tail: ztt.tail,
    cycles: ztt.cycles,
    share: 'keep',
    slots: slots(arrangement).length,
    vocabulary: arch.vocabulary,
    parameters: countParameters(arch, arrangement),
    flopsPerToken: flopsPerToken(arch, arrangement, arch.maxPositions),
    bytes: total,
  };
}

function keys({name, shape}: TensorSpec, init: ZeroKeyInit) {
  const bytes = fromFloat32(zeroKeys(init, shape as [number, number, number], []), 'F32');
  return {name, dtype: 'F32' as const, shape, chunks: () => [bytes]};
}

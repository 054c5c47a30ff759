import {join} from 'node:path';
import {z} from 'zod';
import {sourceCardSchema, type DtypeName} from '../checkpoint/index.js';
import {exists, parseWith, readJson, writeFileWhole} from '../files/index.js';
import {FileError, FormatError} from '../errors.js';
import type {Architecture, Layer} from './architecture.js';
import {calibrationSchema, type Calibration} from './calibration.js';
import {exitFitSchema, type ExitFit} from './exits/fit-record.js';
import {EXIT_SCORES} from './exits/signals.js';
import {parseArchitecture} from './families/index.js';
import {checkArrangement, LAYOUTS, MAX_CYCLES, slots, type Arrangement, type Slot} from './layout.js';
import {loraTargets} from './lora.js';
import {loraSchema} from './lora-config.js';
import {SHARES, ZERO_INITS} from './options.js';
import {blockLinears} from './parameters.js';
import {generationEnd} from './text-end.js';

const layerIndex = z.number().int().nonnegative();

/** The `ztt` entry of our config.json. */
const zttSchema = z.object({
  version: z.literal(1, 'this version of ztt reads config version 1'),
  layout: z.enum(LAYOUTS),
  head: z.number().int().nonnegative(),
  /** Middle layers stored. */
  middle: z.number().int().positive(),
  tail: z.number().int().nonnegative(),
  cycles: z.number().int().positive().max(MAX_CYCLES),
  share: z.enum(SHARES),
  /** For each middle layer, the source layers it came from. */
  middle_sources: z.array(z.array(layerIndex).nonempty()),
  /** Exit when the mean zero attention exceeds it; 1 never exits. */
  threshold: z.number().positive().default(1),
  /** The first cycle (1-based) in which the exit is checked. */
  exit_from_cycle: z.number().int().positive().default(2),
  /** What is compared with the threshold; the zero attention unless given. */
  exit_score: z.enum(EXIT_SCORES).optional(),
  /** How the threshold was chosen, and what others give; absent unless `ztt calibrate` was there. */
  calibration: calibrationSchema.optional(),
  /** What the zero keys of the exits were fitted on; absent unless they were. */
  exit_fit: exitFitSchema.optional(),
  /** Overrides the base config's dropouts in fine-tuning. */
  dropout: z.number().min(0).lt(1).default(0),
  /** How the zero keys were first set; null where there are none. */
  zero_init: z
    .object({kind: z.enum(ZERO_INITS), seed: z.number().int(), beta: z.number().positive().optional()})
    .nullable(),
  /** The LoRA matrices that the model has beside its weights; absent where there are none. */
  lora: loraSchema.optional(),
  source: z.object({
    /** The source folder's or repo's name. */
    name: z.string(),
    revision: z.string().nullable(),
    /** sha256 of each weight file of the source, in hex. */
    sha256: z.record(z.string(), z.string()),
    /** What the source's tensor names began with. */
    prefix: z.string(),
    /** Buffers of the source that were left out. */
    dropped: z.array(z.string()),
    /** What its model card said; absent where that was nothing. */
    card: sourceCardSchema.optional(),
  }),
});

export type ZttConfig = z.output<typeof zttSchema>;

const modelSchema = z.looseObject({
  model_type: z.literal('ztt'),
  base_config: z.looseObject({}),
  ztt: zttSchema,
});

/** A checkpoint's config, parsed: a ZTT model's, or a source model's, which then stands for `vanilla`. */
export interface ModelConfig {
  arch: Architecture;
  arrangement: Arrangement;
  /** The source's whole config. */
  base: Record<string, unknown>;
  /** Null for a source checkpoint. */
  ztt: ZttConfig | null;
  /** The tokens that end a generated text; see `generationEnd`. */
  endTokenIds: readonly number[];
  /** What a user should know of how contradicting files were read, in lines. */
  notes: readonly string[];
}

/**
 * Reads a folder's config.json.
 * @throws FileError if there is none, UnsupportedError for another family, FormatError for broken values.
 */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, 'config.json');
  if (!(await exists(path))) {
    throw new FileError(`${folder} has no config.json; the model's own must lie beside its weights.`);
  }
  const raw = await readJson(path, z.looseObject({}));
  if (raw.model_type !== 'ztt') {
    const arch = parseArchitecture(raw, path);
    const {ids: endTokenIds, notes} = await generationEnd(folder, arch);
    return {arch, arrangement: vanilla(arch.layers.length), base: raw, ztt: null, endTokenIds, notes};
  }
  const {base_config: base, ztt} = parseWith(modelSchema, raw, path);
  const arch = parseArchitecture(base, `${path} (base_config)`);
  const {ids: endTokenIds, notes} = await generationEnd(folder, arch);
  return {arch, arrangement: arrangementOf(ztt, arch, path), base, ztt, endTokenIds, notes};
}

/** What Transformers' Auto classes load a ZTT model with: classes of the Python files that lie beside it. */
const AUTO_MAP = {
  AutoConfig: 'configuration_ztt.ZttConfig',
  AutoModelForCausalLM: 'modeling_ztt.ZttForCausalLM',
};

/**
 * The config.json of a ZTT model. What tools look for at the top level stands there as well as in `base`.
 * @param dtype - of the stored weights; what `base` says of its own stays as it was
 */
export function modelConfigJson(
  base: Record<string, unknown>,
  ztt: ZttConfig,
  dtype: DtypeName,
): Record<string, unknown> {
  const arch = parseArchitecture(base, 'base_config');
  const entry = zttSchema.parse(ztt);
  const tokenIds = ['bos_token_id', 'eos_token_id', 'pad_token_id'].filter((key) => Object.hasOwn(base, key));
  return {
    model_type: 'ztt',
    architectures: ['ZttForCausalLM'],
    auto_map: AUTO_MAP,
    torch_dtype: dtype,
    vocab_size: arch.vocabulary,
    hidden_size: arch.width,
    num_attention_heads: arch.heads,
    // Each slot caches keys and values of its own.
    num_hidden_layers: slots(arrangementOf(entry, arch, 'ztt')).length,
    max_position_embeddings: arch.maxPositions,
    ...Object.fromEntries(tokenIds.map((key) => [key, base[key]])),
    tie_word_embeddings: arch.lmHead.tied,
    base_config: base,
    ztt: entry,
  };
}

/** The `ztt` entry of a source that is kept as `vanilla`. */
export function vanillaConfig({arrangement}: ModelConfig, source: ZttConfig['source']): ZttConfig {
  return {
    version: 1,
    layout: 'vanilla',
    head: 0,
    middle: arrangement.middleSources.length,
    tail: 0,
    cycles: 1,
    share: 'keep',
    middle_sources: arrangement.middleSources,
    threshold: 1,
    exit_from_cycle: 2,
    dropout: 0,
    zero_init: null,
    source,
  };
}

/**
 * Puts a calibration into a model folder's config.json, whole or not at all: its threshold is the model's own from then
 * on, with the exits that it was made with.
 * @throws FileError, FormatError for a folder that holds no ZTT model
 */
export async function storeCalibration(folder: string, calibration: Calibration): Promise<void> {
  const path = join(folder, 'config.json');
  const raw = await readJson(path, modelSchema);
  const {threshold, exit_from_cycle, exit_score} = calibration;
  const ztt = zttSchema.parse({...raw.ztt, threshold, exit_from_cycle, exit_score, calibration});
  await writeFileWhole(path, `${JSON.stringify({...raw, ztt}, null, 2)}\n`);
}

/** The layer that a slot runs. One that was averaged has the divisor of its attention scale in its weights. */
export function layerOf({arch, ztt}: Pick<ModelConfig, 'arch' | 'ztt'>, {part, sources}: Slot): Layer {
  const layer = arch.layers[sources[0]!]!;
  if (part !== 'middle' || ztt?.share !== 'average') return layer;
  return {...layer, attention: {...layer.attention, scaleDivisor: 1}};
}

/**
 * Puts the record of fitted exits into a model folder's config.json, whole or not at all. A calibration goes, and its
 * threshold with it: they were made with other zero keys.
 * @throws FileError, FormatError for a folder that holds no ZTT model
 */
export async function storeExitFit(folder: string, fit: ExitFit): Promise<void> {
  const path = join(folder, 'config.json');
  const raw = await readJson(path, modelSchema);
  const calibrated = raw.ztt.calibration !== undefined;
  const threshold = calibrated ? 1 : raw.ztt.threshold;
  const ztt = zttSchema.parse({...raw.ztt, threshold, calibration: undefined, exit_fit: fit});
  await writeFileWhole(path, `${JSON.stringify({...raw, ztt}, null, 2)}\n`);
}

/** Every layer once. */
export function vanilla(layers: number): Arrangement {
  return {
    layout: 'vanilla',
    head: 0,
    tail: 0,
    cycles: 1,
    middleSources: Array.from({length: layers}, (_, i) => [i]),
    sourceLayers: layers,
  };
}

function arrangementOf(ztt: ZttConfig, arch: Architecture, path: string): Arrangement {
  const {layout, head, tail, cycles, middle_sources: middleSources, lora} = ztt;
  const arrangement = {layout, head, tail, cycles, middleSources, sourceLayers: arch.layers.length, lora};
  try {
    checkArrangement(arrangement);
  } catch (error) {
    throw new FormatError(`${path}: ${(error as Error).message}`, {cause: error});
  }
  if (
    middleSources.length !== ztt.middle ||
    middleSources.flat().some((layer) => layer >= arch.layers.length)
  ) {
    throw new FormatError(
      `${path}: middle_sources does not describe ${ztt.middle} of ${arch.layers.length} layers.`,
    );
  }
  if (lora && loraTargets(blockLinears(arch), lora).length !== lora.targets.length) {
    const names = blockLinears(arch).map(({name}) => name);
    throw new FormatError(
      `${path}: lora.targets are ${lora.targets.join(', ')}; an ${arch.family} block has ${names.join(', ')}, each once.`,
    );
  }
  return arrangement;
}

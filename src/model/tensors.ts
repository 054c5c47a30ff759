import {elementCount, isFloatDtype, type Checkpoint} from '../checkpoint/index.js';
import {FormatError, quoted, UnsupportedError} from '../errors.js';
import type {Architecture} from './architecture.js';
import type {ModelConfig} from './config.js';
import {familyOf} from './families/index.js';
import {blocks, hasZeroTokens, slots, type Arrangement} from './layout.js';
import {loraTensors} from './lora.js';
import {blockTensors, embeddingTables, LM_HEAD, outerTensors, type TensorSpec} from './parameters.js';

/** The zero-token pool: one key a slot and head, [S, H, d]. */
export const ZERO_KEYS = 'zero_tokens.key';

/** Where a model's parameters lie in a checkpoint. */
export interface TensorMap {
  /** The checkpoint's tensor for each parameter, by the parameter's name in our checkpoints. */
  stored: Map<string, string>;
  /** What the checkpoint's names begin with ('' in ours). */
  prefix: string;
  /** Tensors that are no parameters of the language model and are left out on purpose: by name, what they are. */
  dropped: Map<string, string>;
}

/** The shape of the zero-token pool, [S, H, d]. */
export const zeroKeysShape = (
  {heads, headSize}: Architecture,
  arrangement: Arrangement,
): [slots: number, heads: number, size: number] => [slots(arrangement).length, heads, headSize];

/** Every parameter of a model, by its name in our checkpoints. */
export function modelTensors(arch: Architecture, arrangement: Arrangement): TensorSpec[] {
  const perLayer = new Map([...new Set(arch.layers)].map((layer) => [layer, blockTensors(arch, layer)]));
  const zero = hasZeroTokens(arrangement.layout)
    ? [{name: ZERO_KEYS, shape: zeroKeysShape(arch, arrangement)}]
    : [];
  return [
    ...outerTensors(arch),
    ...blocks(arrangement).flatMap(({prefix, sources}) =>
      perLayer.get(arch.layers[sources[0]!]!)!.map(({name, shape}) => ({name: prefix + name, shape})),
    ),
    ...zero,
    ...loraTensors(arch, arrangement),
  ];
}

/** The number of parameters, each once: all, and without the token and position embeddings. */
export function countParameters(arch: Architecture, arrangement: Arrangement) {
  const embeddings = embeddingTables(arch);
  let all = 0;
  let embedding = 0;
  for (const {name, shape} of modelTensors(arch, arrangement)) {
    all += elementCount(shape);
    if (embeddings.includes(name)) embedding += elementCount(shape);
  }
  return {all, withoutEmbeddings: all - embedding};
}

/**
 * Matches a checkpoint's tensors with the model that its config describes, before any is read.
 * @throws FormatError that lists the missing, unexpected and mismatched tensors together; UnsupportedError for a
 *   quantized checkpoint.
 */
export function mapTensors(checkpoint: Checkpoint, config: ModelConfig): TensorMap {
  const {arch, arrangement} = config;
  refuseQuantized(checkpoint);
  const specs = modelTensors(arch, arrangement);
  const map = config.ztt
    ? {stored: new Map(specs.map(({name}) => [name, name])), prefix: '', dropped: new Map<string, string>()}
    : mapSource(checkpoint, arch, specs);
  // Of a tied pair, the one that is stored stands for both; see `readCheckpointConfig` for two that differ.
  const tiedHead = arch.lmHead.tied && checkpoint.tensors.has(LM_HEAD) ? [LM_HEAD] : [];
  const tokens = `${arch.embedding.tokens}.weight`;
  if (tiedHead.length > 0 && !checkpoint.tensors.has(map.stored.get(tokens)!))
    map.stored.set(tokens, LM_HEAD);
  const known = new Set([...map.stored.values(), ...map.dropped.keys(), ...tiedHead]);
  const missing = specs
    .map(({name}) => map.stored.get(name)!)
    .filter((name) => !checkpoint.tensors.has(name));
  const unexpected = [...checkpoint.tensors.keys()].filter((name) => !known.has(name));
  const mismatched = specs.flatMap(({name, shape}) => {
    const info = checkpoint.tensors.get(map.stored.get(name)!);
    if (!info) return [];
    if (!isFloatDtype(info.dtype)) return [`${info.name} is ${info.dtype}, not F32, F16 or BF16`];
    if (info.shape.join() === shape.join()) return [];
    const found = info.shape.slice(0, MAX_DIMENSIONS_SHOWN).join(', ');
    return [`${info.name} is [${found}], not [${shape.join(', ')}]`];
  });
  const problems = [
    ['missing', missing],
    ['unexpected', unexpected],
    ['mismatched', mismatched],
  ] as const;
  if (problems.some(([, names]) => names.length > 0)) {
    const text = problems
      .filter(([, names]) => names.length > 0)
      .map(([what, names]) => describe(what, names));
    throw new FormatError(
      `${checkpoint.folder}: the tensors do not fit the ${arch.family} model that config.json describes: ${text.join('; ')}.`,
    );
  }
  return map;
}

/** Of the shape of a tensor that does not fit. */
const MAX_DIMENSIONS_SHOWN = 8;

/** What GPTQ, AWQ and bitsandbytes store beside or instead of a weight. */
const QUANTIZED = /\.(qweight|qzeros|g_idx|SCB|weight_format|absmax|quant_map|quant_state\..+)$/;

function refuseQuantized(checkpoint: Checkpoint): void {
  const name = [...checkpoint.tensors.keys()].find((name) => QUANTIZED.test(name));
  if (name === undefined) return;
  throw new UnsupportedError(
    `${checkpoint.folder} is a quantized checkpoint (it has ${quoted(name)}), which is not supported; use the original weights.`,
  );
}

function mapSource(checkpoint: Checkpoint, arch: Architecture, specs: TensorSpec[]): TensorMap {
  const family = familyOf(arch);
  const names = [...embeddingTables(arch), ...(arch.lmHead.norm ? [`${arch.lmHead.norm}.weight`] : [])];
  const begins = (prefix: string) => names.some((name) => checkpoint.tensors.has(prefix + name));
  const prefix = family.prefixes.find(begins) ?? '';
  const stored = new Map(
    specs.map(({name}) => [name, name === LM_HEAD ? LM_HEAD : prefix + sourceName(name, family.layerPrefix)]),
  );
  const dropped = new Map<string, string>();
  for (const name of checkpoint.tensors.keys()) {
    // What belongs to another head has no prefix.
    const rest = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    const leftOut = family.leftOut.find(({names}) => names.test(rest));
    if (leftOut) dropped.set(name, leftOut.what);
  }
  return {stored, prefix, dropped};
}

/** The family's own name for a parameter of a `vanilla` model: `middle.3.x` is layer 3's `x`. */
const sourceName = (name: string, layerPrefix: string): string => name.replace(/^middle\./, layerPrefix);

/** Of the name of a tensor that does not fit: no name that does is half as long. */
const MAX_NAME_SHOWN = 200;

function describe(what: string, names: string[]): string {
  const shown = names
    .slice(0, 8)
    .map((name) => (name.length > MAX_NAME_SHOWN ? `${name.slice(0, MAX_NAME_SHOWN)}…` : name))
    .join(', ');
  return `${names.length} ${what} (${shown}${names.length > 8 ? ', …' : ''})`;
}

import {cpSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ORACLE} from '../helpers/oracle.js';

/** A checkpoint that must be refused, and what the message must say. */
export interface BadCheckpoint {
  what: string;
  /** Makes it, in a folder that does not exist. Returns its path, where that is another. */
  make: (folder: string) => string | void;
  message: RegExp;
}

interface Entry {
  dtype?: unknown;
  shape?: unknown;
  data_offsets?: unknown;
}
type Header = Record<string, Entry>;
type Json = Record<string, unknown>;

const copyOf = (name: string, folder: string): void => cpSync(join(ORACLE, name), folder, {recursive: true});

/** A copy of the GPT-2 case, its config.json edited. */
function withConfig(edit: (config: Json) => unknown): (folder: string) => void {
  return (folder) => {
    copyOf('gpt2', folder);
    const path = join(folder, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as Json;
    writeFileSync(path, JSON.stringify(edit(config) ?? config));
  };
}

/** A copy of the GPT-2 case, a file of it replaced. */
function withFile(name: string, content: string | Uint8Array): (folder: string) => void {
  return (folder) => {
    copyOf('gpt2', folder);
    writeFileSync(join(folder, name), content);
  };
}

const WEIGHTS = 'model.safetensors';
const NAME = 'transformer.h.0.attn.c_attn.bias';

/** A safetensors file of a header, given as text or bytes, and data; the length field can lie. */
function safetensors(
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(),
  length?: bigint,
): Buffer {
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.byteLength));
  return Buffer.concat([prefix, json, data]);
}

/** A copy of the GPT-2 case, the header of its weights edited. */
function withHeader(edit: (header: Header) => void): (folder: string) => void {
  return (folder) => {
    copyOf('gpt2', folder);
    const path = join(folder, WEIGHTS);
    const file = readFileSync(path);
    const end = 8 + Number(file.readBigUInt64LE());
    const header = JSON.parse(file.toString('utf8', 8, end)) as Header;
    edit(header);
    writeFileSync(path, safetensors(JSON.stringify(header), file.subarray(end)));
  };
}

const withWeights = (content: Uint8Array) => withFile(WEIGHTS, content);
const one = (entry: Entry | string, data = 4) =>
  withWeights(
    safetensors(typeof entry === 'string' ? entry : JSON.stringify({a: entry}), new Uint8Array(data)),
  );

/** A copy of the case in shards, its index edited. */
function withIndex(edit: (map: Record<string, string>, folder: string) => unknown): (folder: string) => void {
  return (folder) => {
    copyOf('gpt2-sharded', folder);
    const path = join(folder, 'model.safetensors.index.json');
    const index = JSON.parse(readFileSync(path, 'utf8')) as {weight_map: Record<string, string>};
    writeFileSync(path, JSON.stringify(edit(index.weight_map, folder) ?? index));
  };
}

/** Points every tensor of one shard to another file. */
const movedShard = (to: string) =>
  withIndex((map) => {
    for (const [name, file] of Object.entries(map)) if (file.includes('00002')) map[name] = to;
  });

/** What is no checkpoint at all, or not one that this version reads. */
const NO_CHECKPOINTS: BadCheckpoint[] = [
  {what: 'a missing folder', make: () => {}, message: /source does not exist; give a folder/},
  {
    what: 'an empty folder',
    make: (folder) => void mkdirSync(folder),
    message: /source is no checkpoint: it has neither model\.safetensors nor pytorch_model\.bin/,
  },
  {
    what: 'a folder without config.json',
    make: (folder) => {
      copyOf('gpt2', folder);
      rmSync(join(folder, 'config.json'));
    },
    message: /has no config\.json; the model's own must lie beside its weights/,
  },
  {
    what: 'a folder without weights',
    make: (folder) => {
      copyOf('gpt2', folder);
      rmSync(join(folder, WEIGHTS));
    },
    message: /it has neither model\.safetensors nor pytorch_model\.bin/,
  },
  {
    what: 'a folder in place of the weights',
    make: (folder) => {
      copyOf('gpt2', folder);
      rmSync(join(folder, WEIGHTS));
      mkdirSync(join(folder, WEIGHTS));
    },
    message: /model\.safetensors (is no file|cannot be read)/,
  },
  {
    what: 'a file of another kind',
    make: (folder) => {
      copyOf('gpt2', folder);
      return join(folder, 'config.json');
    },
    message: /config\.json is no \.safetensors or \.bin file/,
  },
];

const CONFIGS: BadCheckpoint[] = [
  {
    what: 'a config that is no JSON',
    make: withFile('config.json', '{"model_type": '),
    message: /config\.json is no valid JSON/,
  },
  {
    what: 'a config that is a list',
    make: withFile('config.json', '[1, 2]'),
    message: /config\.json: .*expected object/,
  },
  {what: 'an empty config', make: withFile('config.json', '{}'), message: /config\.json at model_type: /},
  {
    what: 'another family',
    make: withConfig((config) => void (config.model_type = 'deepseek_v3')),
    message: /model_type "deepseek_v3" is not supported; GPT-2 .* and SmolLM3/,
  },
  {
    what: 'a family named like an object method',
    make: withConfig((config) => void (config.model_type = 'toString')),
    message: /model_type "toString" is not supported/,
  },
  {
    what: 'a quantized model',
    make: withConfig((config) => void (config.quantization_config = {bits: 4})),
    message: /quantized checkpoints are not supported/,
  },
  {
    what: 'a missing size',
    make: withConfig((config) => void delete config.n_embd),
    message: /config\.json at n_embd: /,
  },
  {what: 'no layers', make: withConfig((config) => void (config.n_layer = 0)), message: /at n_layer: /},
  {what: 'half a layer', make: withConfig((config) => void (config.n_layer = 1.5)), message: /at n_layer: /},
  {
    what: 'absurdly many layers',
    make: withConfig((config) => void (config.n_layer = 1e9)),
    message: /at n_layer: /,
  },
  {
    what: 'a width that the heads do not divide',
    make: withConfig((config) => void (config.n_head = 5)),
    message: /width 32 is no multiple of the 5 heads/,
  },
  {
    what: 'an unknown activation',
    make: withConfig((config) => void (config.activation_function = 'mish')),
    message: /"mish" is not supported/,
  },
  {
    what: 'cross-attention',
    make: withConfig((config) => void (config.add_cross_attention = true)),
    message: /cross-attention is not supported/,
  },
];

const HEADERS: BadCheckpoint[] = [
  {what: 'an empty weights file', make: withWeights(new Uint8Array()), message: /0 bytes are too few/},
  {what: 'a few bytes', make: withWeights(new Uint8Array(7)), message: /7 bytes are too few/},
  {
    what: 'truncated weights',
    make: (folder) => {
      copyOf('gpt2', folder);
      truncateSync(join(folder, WEIGHTS), 100_000);
    },
    message: /model\.safetensors: tensor .* ends at byte \d+ but the file has 100000; it is truncated/,
  },
  {
    what: 'a truncated header',
    make: (folder) => {
      copyOf('gpt2', folder);
      truncateSync(join(folder, WEIGHTS), 1000);
    },
    message: /the header claims \d+ bytes but the file has 1000; it is truncated/,
  },
  {
    what: 'a huge header length',
    make: withWeights(safetensors('{}', undefined, 2n ** 64n - 1n)),
    message: /claims 18446744073709551615 bytes/,
  },
  {
    what: 'a header length past the end',
    make: withWeights(safetensors('{}', undefined, 3n)),
    message: /claims 3 bytes but the file has 10/,
  },
  {what: 'a header that is no JSON', make: one('{"a": nonsense}'), message: /the header is no valid JSON/},
  {what: 'a header that is no object', make: one('[1, 2, 3, 4]'), message: /the header is no JSON object/},
  {
    what: 'another kind of file',
    make: withWeights(Buffer.from('<!DOCTYPE html><html></html>')),
    message: /this is no safetensors file/,
  },
  {
    what: 'a header that is not UTF-8',
    make: withWeights(safetensors(Buffer.from('7b22ff223a317d', 'hex'))),
    message: /the header is no valid JSON/,
  },
  {
    what: 'nested garbage',
    make: one(`{"a":${'['.repeat(200_000)}`),
    message: /model\.safetensors: the header/,
  },
  {
    what: 'offsets out of range',
    make: one({dtype: 'F32', shape: [2], data_offsets: [0, 8]}),
    message: /tensor "a" ends at byte \d+ but the file has/,
  },
  {
    what: 'reversed offsets',
    make: one({dtype: 'F32', shape: [1], data_offsets: [4, 0]}),
    message: /tensor "a" of F32 \[1\] needs 4 bytes but its offsets span -4/,
  },
  {
    what: 'overlapping tensors',
    make: withHeader((header) => {
      header['twin'] = {...header[NAME]};
    }),
    message: /overlaps the tensor before it/,
  },
  {
    what: 'a hole',
    make: one({dtype: 'F32', shape: [1], data_offsets: [4, 8]}, 8),
    message: /tensor "a" leaves a hole before it/,
  },
  {
    what: 'bytes that belong to no tensor',
    make: one({dtype: 'F32', shape: [1], data_offsets: [0, 4]}, 12),
    message: /8 bytes after the last tensor belong to none/,
  },
  ...[[-1, 3], [0.5, 4.5], ['0', '4'], [0, 1e300], [0], [0, 4, 8], null].map((offsets) => ({
    what: `the offsets ${JSON.stringify(offsets)}`,
    make: one({dtype: 'F32', shape: [1], data_offsets: offsets}),
    message: /tensor "a" (needs dtype, shape and data_offsets|of F32)/,
  })),
  ...[[-1], [1.5], ['1'], 1, null].map((shape) => ({
    what: `the shape ${JSON.stringify(shape)}`,
    make: one({dtype: 'F32', shape, data_offsets: [0, 4]}),
    message: /tensor "a" needs dtype, shape and data_offsets, with whole numbers/,
  })),
  {
    what: 'an absurd shape',
    make: one({dtype: 'F32', shape: Array(64).fill(2 ** 40), data_offsets: [0, 4]}),
    message: /tensor "a" of F32 .* but its offsets span 4/,
  },
  {
    what: 'a shape that does not fit its bytes',
    make: withHeader((header) => {
      header[NAME]!.shape = [95];
    }),
    message: /c_attn\.bias" of F32 \[95\] needs 380 bytes but its offsets span 384/,
  },
  {
    what: 'an unknown dtype',
    make: one({dtype: 'F33', shape: [1], data_offsets: [0, 4]}),
    message: /tensor "a" has the unknown dtype "F33"/,
  },
  {
    what: 'a dtype named like an object method',
    make: one({dtype: 'toString', shape: [1], data_offsets: [0, 4]}),
    message: /unknown dtype "toString"/,
  },
  {
    what: 'metadata that are no strings',
    make: one('{"__metadata__": {"format": 1}}', 0),
    message: /__metadata__ must map strings to strings/,
  },
];

const TENSORS: BadCheckpoint[] = [
  {
    what: 'missing, unexpected and mismatched tensors together',
    make: withHeader((header) => {
      header['transformer.h.0.attn.c_attn.extra'] = header[NAME]!;
      delete header[NAME];
      header['transformer.ln_f.weight']!.shape = [4, 8];
    }),
    message:
      /1 missing \(transformer\.h\.0\.attn\.c_attn\.bias\); 1 unexpected \(transformer\.h\.0\.attn\.c_attn\.extra\); 1 mismatched \(transformer\.ln_f\.weight is \[4, 8\], not \[32\]\)/,
  },
  {
    what: 'integer parameters',
    make: withHeader((header) => {
      header[NAME]!.dtype = 'I32';
    }),
    message: /c_attn\.bias is I32, not F32, F16 or BF16/,
  },
  {
    what: 'a name with a terminal escape in it',
    make: withHeader((header) => {
      header['\u001b[2J\nevil'] = {dtype: 'F32', shape: [0], data_offsets: [0, 0]};
    }),
    message: /1 unexpected \([^)]*evil\)/,
  },
  {
    what: 'a config of another size',
    make: withConfig((config) => void (config.n_layer = 6)),
    message: /12 missing \(transformer\.h\.5\./,
  },
];

const SHARDS: BadCheckpoint[] = [
  {
    what: 'a shard outside the folder',
    make: movedShard('../x.safetensors'),
    message: /"\.\.\/x\.safetensors" is no name of a \.safetensors file beside it/,
  },
  {
    what: 'a shard by an absolute path',
    make: movedShard('/etc/x.safetensors'),
    message: /"\/etc\/x\.safetensors" is no name of a \.safetensors file/,
  },
  {
    what: 'a shard outside the folder, as Windows writes it',
    make: movedShard('..\\x.safetensors'),
    message: /is no name of a \.safetensors file/,
  },
  {
    what: 'a missing shard',
    make: withIndex((_, folder) =>
      renameSync(
        join(folder, 'model-00003-of-00008.safetensors'),
        join(folder, 'model-00003-of-00008.safetensors.incomplete'),
      ),
    ),
    message: /model-00003-of-00008\.safetensors cannot be read/,
  },
  {
    what: 'a shard that lacks a tensor',
    make: withIndex((map) => {
      map['extra'] = map[NAME]!;
    }),
    message: /lists tensor "extra" in model-\d+-of-00008\.safetensors, which lacks it/,
  },
  {
    what: 'a tensor that the index does not list',
    make: withIndex((map) => void delete map[NAME]),
    message: /tensor "transformer\.h\.0\.attn\.c_attn\.bias" is not listed/,
  },
  {what: 'an index without a map', make: withIndex(() => ({})), message: /index\.json at weight_map: /},
  {
    what: 'an index whose map is no map of names',
    make: withIndex(() => ({weight_map: {a: 1}})),
    message: /index\.json at weight_map\.a: /,
  },
];

/** Every checkpoint that must be refused. */
export const BAD_CHECKPOINTS = [...NO_CHECKPOINTS, ...CONFIGS, ...HEADERS, ...TENSORS, ...SHARDS];

import {CARRIED_FILES, DiskFile, locate, type WeightFiles} from '../checkpoint/index.js';
import {HubError, UnsupportedError} from '../errors.js';
import type {OpenRepo} from './open-repo.js';

const CONFIG = 'config.json';
/** What a model may have beside its weights and is of use here; all else in a repo stays there. */
const SMALL = new Set([CONFIG, ...CARRIED_FILES]);
/** Certificates and the like, of models that ztt wrote. */
const OURS = /^ztt_\w[\w.-]*$/;
/** Weights in a form that is read, and the index of such in shards. */
const READ = /^(model\.safetensors|pytorch_model\.bin)(\.index\.json)?$/;
/** Weights of any form: for a message that says what a repo has. */
const WEIGHTS = /\.(safetensors|bin|h5|msgpack|ot|onnx|gguf|ggml|tflite|mlmodel|pt|pth|ckpt)$/i;
/** As much as is read of any small file (`readText`). */
const MAX_SMALL_BYTES = 256 << 20;

/**
 * The small files of a repo's model: config, tokenizer, certificates, the weights' index.
 * @throws UnsupportedError if the repo holds no model; HubError for a file that is announced too large to be small
 */
export function smallFiles(open: OpenRepo): string[] {
  if (!open.names.has(CONFIG)) throw noModel(open, `no ${CONFIG} at its top`);
  const names = [...open.names];
  if (!names.some((name) => READ.test(name))) {
    const weights = names.filter((name) => WEIGHTS.test(name)).sort();
    const what =
      weights.length > 0
        ? `only weights that ztt does not read (${weights.slice(0, 5).join(', ')})`
        : 'no weights at its top';
    throw noModel(open, what);
  }
  const isIndex = (name: string) => READ.test(name) && name.endsWith('.json');
  const small = names.filter((name) => SMALL.has(name) || OURS.test(name) || isIndex(name));
  for (const name of small) {
    const size = open.listed(name)?.size ?? 0;
    if (size <= MAX_SMALL_BYTES) continue;
    throw new HubError(
      `${name} of ${open.repo.name} has ${size} bytes as the Hub lists it; no such file has more than ${MAX_SMALL_BYTES}.`,
    );
  }
  return small;
}

const noModel = ({repo}: OpenRepo, what: string): UnsupportedError =>
  new UnsupportedError(
    `the ${repo.type} ${repo.name} has ${what}, so it is no GPT-2 or OPT checkpoint that ztt reads.`,
  );

/** A repo's files for a checkpoint's reader; the small ones must be there. A weight file is fetched as it is opened. */
export function checkpointFiles(open: OpenRepo): WeightFiles {
  return {
    folder: open.folder,
    names: () => Promise.resolve(open.names),
    open: async (name) => {
      await open.fetch([name]);
      return DiskFile.open(open.cache.entry(open.commit, name));
    },
  };
}

/** The weight files of a repo's model: of several forms, the one that a checkpoint's reader takes. @throws as `locate` */
export async function weightNames(open: OpenRepo): Promise<string[]> {
  return (await locate(checkpointFiles(open))).names;
}

import {
  CARRIED_FILES,
  DiskFile,
  locate,
  MAX_README_BYTES,
  otherFormat,
  README,
  type WeightFiles,
} from '../../checkpoint/index.js';
import {HubError, UnsupportedError} from '../../errors.js';
import type {OpenRepo} from './open-repo.js';

const CONFIG = 'config.json';
/** What a model may have beside its weights and is of use here; all else in a repo stays there. */
const SMALL = new Set([
  CONFIG,
  ...CARRIED_FILES,
  'model.safetensors.index.json',
  'pytorch_model.bin.index.json',
]);
/** Certificates and the like, of models that ztt wrote. */
const OURS = /^ztt_\w[\w.-]*$/;
/** As much as is read of any small file (`readText`). */
const MAX_SMALL_BYTES = 256 << 20;

/**
 * The small files of a repo's model: config, tokenizer, certificates, the weights' index, the model card.
 * @throws UnsupportedError if the repo holds no model; HubError for a file that is announced too large to be small
 */
export function smallFiles(open: OpenRepo): string[] {
  const {repo, names} = open;
  if (!names.has(CONFIG)) {
    const other = otherFormat([...names]);
    throw new UnsupportedError(
      `the ${repo.type} ${open.label} has no ${CONFIG} at its top, so it is no checkpoint of a model.${other ? ` ${other}` : ''}`,
    );
  }
  const small = [...names].filter((name) => SMALL.has(name) || OURS.test(name));
  // License and languages stand in the card; one that is too long to be read is not worth a download.
  if (names.has(README) && (open.listed(README)?.size ?? 0) <= MAX_README_BYTES) small.push(README);
  for (const name of small) {
    const size = open.listed(name)?.size ?? 0;
    if (size <= MAX_SMALL_BYTES) continue;
    throw new HubError(
      `${name} of ${repo.name} has ${size} bytes as the Hub lists it; no such file has more than ${MAX_SMALL_BYTES}.`,
    );
  }
  return small;
}

/** A repo's files for a checkpoint's reader; the small ones must be there. A weight file is fetched as it is opened. */
export function checkpointFiles(open: OpenRepo): WeightFiles {
  return {
    name: open.label,
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

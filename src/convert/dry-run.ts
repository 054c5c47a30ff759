import {pathOf} from '../checkpoint/index.js';
import {checkOutput, freeBytes, resolveOutput} from '../files/index.js';
import {availableMemory} from '../engine/index.js';
import {checkOptions} from '../options/index.js';
import {CONVERT_OPTIONS} from './options.js';
import {bytesToLoad} from './proof/compare-logits.js';
import type {Ledger} from './plan/ledger.js';
import type {PlanOptions} from './plan/options.js';
import {prepare, type ConversionSummary} from './plan/prepare.js';

/** Peak memory of a conversion, whatever the model's size; measured by bench/convert.ts. */
const CONVERT_BYTES = 300e6;

/** What a conversion would do, to the last tensor. */
export interface ConversionPlan extends ConversionSummary {
  /** What becomes of every tensor of the source, and where every tensor of the output comes from. */
  ledger: Ledger;
  /** In bytes. */
  disk: {
    /** Weights that are not on this machine yet; 0 for a local source. */
    download: number;
    write: number;
    /** What is free where the output goes. */
    free: number;
  };
  /** In bytes. */
  memory: {
    /** At most, whatever the model's size. */
    convert: number;
    /** For loading the model in float32, about: to compare predictions, or to use it. */
    load: number;
    free: number;
  };
}

/**
 * Plans a conversion: everything that `convert` checks of options, source and output is checked, nothing is written,
 * and no more than headers is read.
 * @throws as `convert`
 */
export async function planConversion(options: PlanOptions): Promise<ConversionPlan> {
  const {output, source} = options;
  checkOptions(CONVERT_OPTIONS, options);
  const target = await resolveOutput(output);
  await checkOutput(output, target, {replace: options.force ?? false, sources: [pathOf(source)]});
  const {reader, ledger, summary, files, config} = await prepare(options);
  try {
    return {
      ...summary,
      ledger,
      disk: {
        download: reader.remoteBytes,
        write: files.files.reduce((sum, {bytes}) => sum + bytes, 0),
        free: await freeBytes(target),
      },
      memory: {convert: CONVERT_BYTES, load: bytesToLoad(config.arch), free: availableMemory()},
    };
  } finally {
    await reader.close();
  }
}

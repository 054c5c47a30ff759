import {elementCount} from '../../checkpoint/index.js';
import {availableMemory, type EngineChoice} from '../../engine/index.js';
import {FormatError, UnsupportedError} from '../../errors.js';
import {load, modelTensors, vanilla, type Architecture} from '../../model/index.js';
import type {LogitsComparison} from './certificate.js';
import type {PhaseProgress} from '../plan/phase-progress.js';
import type {Conversion} from '../plan/prepare.js';
import {meanKl, meanLoss, probeFor, probeLogits} from './probe.js';

/**
 * Compares what a source and its conversion predict: with one cycle and without zero tokens, where they are the
 * same if every layer was kept with its bytes; and as the converted model runs.
 * @throws FormatError if they differ where they must not; UnsupportedError for a model whose logits are not finite
 */
export async function compareLogits(
  source: string,
  converted: string,
  {config, reader, planned, summary}: Conversion,
  progress: PhaseProgress,
  engine: EngineChoice,
): Promise<LogitsComparison> {
  const V = config.arch.vocabulary;
  progress.begin('comparing', 0);
  const before = await load(source, engine);
  const probe = await probeFor(reader.checkpoint.folder, before);
  const expected = await probeLogits(before, probe, summary.source.name);
  before.dispose();
  progress.advance(0);
  const after = await load(converted, engine);
  const plain = await probeLogits(after.plain(), probe, summary.output);
  progress.advance(0);
  const full = await probeLogits(after, probe, summary.output);
  after.dispose();
  const difference = maxDifference(expected, plain);
  const mustBeEqual =
    summary.share === 'keep' && planned.every(({how}) => how === 'copied' || how === 'made');
  if (mustBeEqual && difference !== 0) {
    throw new FormatError(
      `${summary.output}: with one cycle and without zero tokens a logit differs by ${difference} from the source's, though every byte is the same; the engine ${after.engine.name} is not to be trusted here.`,
    );
  }
  return {
    engine: after.engine.name,
    probe: probe.kind,
    tokens: probe.ids.length,
    plain_max_abs_difference: difference,
    mean_kl: meanKl(expected, full, V),
    source_loss: meanLoss(expected, probe.ids, V),
    converted_loss: meanLoss(full, probe.ids, V),
  };
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  let max = 0;
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i]! - b[i]!));
  return max;
}

/** Memory for a program that loads models, besides the model. */
const BASE_BYTES = 400e6;

/**
 * The memory that loading a model takes, in bytes, about: its parameters in float32, and the largest of them twice
 * more on its way. A conversion adds none to speak of.
 */
export function bytesToLoad(arch: Architecture): number {
  let [all, largest] = [0, 0];
  for (const {shape} of modelTensors(arch, vanilla(arch.layers.length))) {
    const bytes = 4 * elementCount(shape);
    all += bytes;
    largest = Math.max(largest, bytes);
  }
  return BASE_BYTES + all + 2 * largest;
}

/**
 * Tells what memory comparing predictions takes.
 * @throws UnsupportedError if there is less
 */
export function requireMemoryToLoad(arch: Architecture, onNote?: (note: string) => void): void {
  const [needed, free] = [bytesToLoad(arch), availableMemory()].map(
    (bytes) => `${(bytes / 1e9).toFixed(1)} GB`,
  );
  if (bytesToLoad(arch) > availableMemory()) {
    throw new UnsupportedError(
      `verify logits loads the model in float32, which takes about ${needed} of memory; ${free} are free here. Use verify bytes, which needs no more than 0.3 GB.`,
    );
  }
  onNote?.(
    `verify logits: the source and the converted model are loaded in float32, one after the other: about ${needed} of memory, ${free} are free`,
  );
}

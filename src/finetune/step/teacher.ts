import {basename} from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import type {EngineOptions} from '../../engine/index.js';
import {FileError, UsageError} from '../../errors.js';
import {load, type Model} from '../../model/index.js';
import type {TeacherHead} from '../../ops/index.js';
import {Tokenizer} from '../../tokenizer/index.js';
import type {DistillationSettings} from '../settings/distillation-options.js';

/** Text whose ids tell tokenizers apart: words, case, digits, spaces, a line's end, letters beyond ASCII. */
const PROBE = 'The quick brown fox, 1234 of them;  naïve façades\nZwölf Boxkämpfer jagen Viktor. 東京 🙂';

/** A model that a run's model is drawn to. It is not trained, and runs at full depth. */
export class Teacher {
  private constructor(
    private readonly model: Model,
    private readonly settings: DistillationSettings,
  ) {}

  /**
   * Loads a teacher.
   * @param folder - the student's folder, with its tokenizer
   * @throws UsageError for a teacher of another vocabulary, or that takes fewer tokens than a sequence has; and what
   *   `load` throws
   */
  static async load(
    settings: DistillationSettings,
    student: {model: Model; folder: string; seqLen: number},
    engine: EngineOptions,
  ): Promise<Teacher> {
    const path = settings.teacher;
    const model = await load(path, engine);
    try {
      const [{arch}, own] = [model.config, student.model.config.arch];
      if (arch.vocabulary !== own.vocabulary) {
        throw new UsageError(
          `the teacher ${path} has a vocabulary of ${arch.vocabulary} tokens, and the model ${own.vocabulary}; they must be the same.`,
        );
      }
      if (arch.maxPositions < student.seqLen) {
        throw new UsageError(
          `the teacher ${path} takes ${arch.maxPositions} tokens, fewer than a sequence of ${student.seqLen}; give a smaller seq-len.`,
        );
      }
      await requireSameTokenizer(path, student.folder);
    } catch (error) {
      model.dispose();
      throw error;
    }
    return new Teacher(model, settings);
  }

  /** What a loss needs of the teacher for ids [B, T] int32. The caller disposes of its state. */
  of(ids: tf.Tensor2D): TeacherHead {
    const {distillWeight: share, distillTemperature: temperature} = this.settings;
    return {...this.model.head(ids), share, temperature};
  }

  dispose(): void {
    this.model.dispose();
  }
}

/** A teacher without a tokenizer is taken at its word. */
async function requireSameTokenizer(teacher: string, student: string): Promise<void> {
  const theirs = await Tokenizer.load(teacher).catch((error: unknown) => {
    if (error instanceof FileError) return null;
    throw error;
  });
  if (!theirs) return;
  const ours = await Tokenizer.load(student);
  if (theirs.encode(PROBE, false).join() !== ours.encode(PROBE, false).join()) {
    throw new UsageError(
      `the teacher ${basename(teacher)} has another tokenizer than the model: the same text gives other tokens.`,
    );
  }
}

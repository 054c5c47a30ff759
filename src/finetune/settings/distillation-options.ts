import {checkOptions, withDefaults} from '../../options/index.js';
import {DISTILLATION_OPTIONS} from '../options.js';

/** How a run's model is drawn to a teacher. */
export interface DistillationSettings {
  /** A ZTT model, or a source. */
  teacher: string;
  /** X in the loss (1 - X) cross-entropy + X T^2 KL(teacher || model). */
  distillWeight: number;
  /** T, which both distributions are softened by. */
  distillTemperature: number;
}

/**
 * The distillation of a run, with defaults filled in; null for a run without a teacher.
 * @throws UsageError naming the option and what it may be
 */
export function distillationSettings(options: Partial<DistillationSettings>): DistillationSettings | null {
  checkOptions(DISTILLATION_OPTIONS, options);
  const {teacher} = options;
  return teacher === undefined ? null : {...withDefaults(DISTILLATION_OPTIONS, options), teacher};
}

import {UsageError} from '../../errors.js';

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
 * The distillation of a run, with defaults filled in: weight 0.5, temperature 1. Null for a run without a teacher.
 * @throws UsageError naming the option and what it may be
 */
export function distillationSettings(options: Partial<DistillationSettings>): DistillationSettings | null {
  const {teacher, distillWeight, distillTemperature} = options;
  if (teacher === undefined) {
    if (distillWeight !== undefined)
      throw new UsageError('distill-weight needs a teacher; name one with teacher.');
    if (distillTemperature !== undefined) {
      throw new UsageError('distill-temperature needs a teacher; name one with teacher.');
    }
    return null;
  }
  const settings = {
    teacher,
    distillWeight: distillWeight ?? 0.5,
    distillTemperature: distillTemperature ?? 1,
  };
  if (!(settings.distillWeight > 0 && settings.distillWeight <= 1)) {
    throw new UsageError(`distill-weight is ${distillWeight}; it must be above 0 and at most 1.`);
  }
  if (!(settings.distillTemperature > 0 && settings.distillTemperature <= 100)) {
    throw new UsageError(`distill-temperature is ${distillTemperature}; it must be above 0 and at most 100.`);
  }
  return settings;
}

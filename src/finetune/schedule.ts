/** What the learning rate ends at, as a share of its peak. */
const FINAL_SHARE = 0.1;

/**
 * The learning rate of a step (1-based): linear warm-up to the peak, then a half cosine down to a tenth of it.
 */
export function learningRate(step: number, steps: number, warmup: number, peak: number): number {
  if (step <= warmup) return (peak * step) / warmup;
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  const cosine = (1 + Math.cos(Math.PI * progress)) / 2;
  return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine);
}

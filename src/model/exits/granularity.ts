/** Who exits: a whole sequence, or each token by itself. */
export const EXIT_GRANULARITIES = ['sequence', 'token'] as const;
export type ExitGranularity = (typeof EXIT_GRANULARITIES)[number];

/** The engines in the order that `auto` prefers them; `cpu` is the plain-JavaScript reference, never chosen. */
export const ENGINES = ['tensorflow', 'webgpu', 'native', 'wasm', 'cpu'] as const;
export type EngineName = (typeof ENGINES)[number];

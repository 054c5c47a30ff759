import type {LogitsResult} from '../forward.js';

// Shapes: B rows, T tokens, H heads, V vocabulary.

/** Results of rows of equal length, one by one, as one. Rows of several ran the same slots, or exited by token. */
export function stackLogits(results: readonly LogitsResult[], H: number): LogitsResult {
  const B = results.length;
  const [, T, V] = results[0]!.shape;
  const slots = [...new Set(results.flatMap((result) => result.slots))].sort((a, b) => a - b);
  const logits = new Float32Array(B * T * V);
  const slotsPerToken = new Int32Array(B * T);
  const zeroAttention = results[0]!.zeroAttention && new Float32Array(slots.length * B * H * T);
  for (const [row, result] of results.entries()) {
    logits.set(result.logits, row * T * V);
    slotsPerToken.set(result.slotsPerToken, row * T);
    for (let s = 0; zeroAttention && s < slots.length; s++) {
      const z = result.zeroAttention!.subarray(s * H * T, (s + 1) * H * T);
      zeroAttention.set(z, (s * B + row) * H * T);
    }
  }
  return {logits, shape: [B, T, V], slots, slotsPerToken, zeroAttention};
}

/** A row's zero attention in each slot, [T, H] each, as [slots, 1, H, T]. */
export function byHead(perSlot: readonly Float32Array[], H: number, T: number): Float32Array {
  const all = new Float32Array(perSlot.length * H * T);
  for (const [slot, z] of perSlot.entries()) {
    for (let t = 0; t < T; t++) {
      for (let head = 0; head < H; head++) all[(slot * H + head) * T + t] = z[t * H + head]!;
    }
  }
  return all;
}

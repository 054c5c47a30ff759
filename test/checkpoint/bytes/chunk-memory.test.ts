import {expect, it} from 'vitest';
import {CHUNK_BYTES, reuseChunk, shareChunk, takeChunk} from '../../../src/checkpoint/bytes/chunk-memory.js';

const memory = (chunk: Uint8Array) => chunk.buffer;

it('uses a chunk again that is given back', () => {
  const chunk = takeChunk();
  expect(chunk.byteLength).toBe(CHUNK_BYTES);
  reuseChunk(chunk);
  expect(memory(takeChunk())).toBe(memory(chunk));
});

it('never lends one chunk to two, though it is given back twice', () => {
  const chunk = takeChunk();
  // As floats that were computed in place come back.
  reuseChunk(new Uint8Array(new Float32Array(chunk.buffer).buffer));
  reuseChunk(chunk);
  expect(memory(takeChunk())).toBe(memory(chunk));
  expect(memory(takeChunk())).not.toBe(memory(chunk));
});

it('waits for all who hold a chunk', () => {
  const chunk = takeChunk();
  shareChunk(chunk);
  reuseChunk(chunk);
  expect(memory(takeChunk())).not.toBe(memory(chunk));
  reuseChunk(chunk);
  expect(memory(takeChunk())).toBe(memory(chunk));
});

it('leaves alone what is a part of a chunk, or none', () => {
  const chunk = takeChunk();
  const others = [chunk.subarray(0, 100), chunk.subarray(4), Buffer.allocUnsafeSlow(CHUNK_BYTES)];
  for (const other of others) reuseChunk(other);
  const next = [takeChunk(), takeChunk()].map(memory);
  for (const other of [chunk, ...others]) expect(next).not.toContain(memory(other));
});

it('shares no more than a few, whatever is forgotten', () => {
  const many = Array.from({length: 50}, () => takeChunk('shared'));
  const isShared = (chunk: Uint8Array) => memory(chunk) instanceof SharedArrayBuffer;
  const shared = many.filter(isShared);
  expect(shared.length).toBeGreaterThan(5);
  expect(shared.length).toBeLessThan(20);
  expect(new Set(many.map(memory)).size).toBe(50);
  reuseChunk(shared[0]!);
  expect(isShared(takeChunk())).toBe(false);
  expect(memory(takeChunk('shared'))).toBe(memory(shared[0]!));
});

it('keeps no more than a few', () => {
  const many = Array.from({length: 50}, () => takeChunk());
  for (const chunk of many) reuseChunk(chunk);
  const again = new Set(Array.from({length: 50}, () => memory(takeChunk())));
  expect(many.filter((chunk) => again.has(memory(chunk))).length).toBeLessThan(20);
});

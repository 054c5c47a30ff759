import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {EngineError} from '../../../errors.js';
import type {Element} from './program.js';
import {unrolled} from './wgsl.js';

// Attention goes over tiles: some rows (of queries, say) against as many columns (of keys, say), both of which lie in a
// workgroup's memory as vectors of a head's d numbers, four to an element. Its 64 threads stand 8 `across` and 8 `down`:
// one has the rows down, down + 8, ... and the columns across, across + 8, ... of the tile's products.

/** Threads of a workgroup, and of a side of it. */
export const THREADS = 64;
export const SIDE = 8;

/** How attention is cut up for heads of a size. */
export type Tile = {
  /** A head's numbers. */
  d: number;
  /** Of a tile. */
  rows: number;
  columns: number;
  /** Whether heads are read four numbers at a time. */
  element: Element;
};

/** Four numbers at a time that a head has. */
const quads = ({d}: Tile): number => Math.ceil(d / 4);
/** Elements from a vector to the next: odd, so that threads that read one below the other meet other memory banks. */
const pitch = (tile: Tile): number => quads(tile) | 1;
/** Rows, and columns, of the products that a thread has. */
const ownRows = ({rows}: Tile): number => rows / SIDE;
const ownColumns = ({columns}: Tile): number => columns / SIDE;
/** Elements of a vector that a thread has. */
const ownQuads = (tile: Tile): number => Math.ceil(quads(tile) / SIDE);

/** Bytes of a workgroup's memory that tiles take: what `memory` and `softmaxMemory` (online-softmax.ts) declare. */
const bytesOf = (tile: Tile): number =>
  16 * ((tile.rows + tile.columns) * pitch(tile) + 2 * SIDE) +
  4 * tile.rows * (tile.columns + 1) +
  2 * 4 * tile.rows * SIDE;

/** Tiles, and the fewest queries that they are worth it for. */
export const SQUARE = [
  {rows: 32, columns: 32, queries: 64},
  {rows: 16, columns: 16, queries: SIDE + 1},
  {rows: SIDE, columns: SIDE, queries: 0},
];
/** Where there may be many more keys than queries. */
export const WIDE = [
  {rows: 32, columns: 32, queries: 64},
  {rows: 16, columns: 32, queries: SIDE + 1},
  {rows: SIDE, columns: 32, queries: 0},
  {rows: SIDE, columns: SIDE, queries: 0},
];

/**
 * The first of some tiles that this GPU has room for, and so many queries a use.
 * @throws EngineError where it has no room even for small ones
 */
export function tileFor(
  backend: WebGPUBackend,
  d: number,
  queries: number,
  choice: typeof SQUARE,
  element: Element,
): Tile {
  const limit = backend.device.limits.maxComputeWorkgroupStorageSize;
  const tiles = choice
    .filter((each) => queries >= each.queries)
    .map(({rows, columns}) => ({d, rows, columns, element}));
  const fitting = tiles.find((tile) => bytesOf(tile) <= limit);
  if (fitting) return fitting;
  throw new EngineError(
    `engine webgpu: attention over heads of ${d} needs ${bytesOf(tiles.at(-1)!)} bytes of a workgroup's memory, and this GPU has ${limit}; take --engine native.`,
  );
}

/** A tile's vectors, `left` of its rows and `right` of its columns, and their `weights`. */
export const memory = (tile: Tile): string => `
var<workgroup> left: array<vec4f, ${tile.rows * pitch(tile) + SIDE}>;
var<workgroup> right: array<vec4f, ${tile.columns * pitch(tile) + SIDE}>;
var<workgroup> weights: array<f32, ${tile.rows * (tile.columns + 1)}>;
`;

/** `read_NAME(start, quad)`: four of the d numbers that start at an index of a buffer. */
export const reader = ({d, element}: Tile, name: string, buffer = name): string =>
  element === 'vec4f'
    ? `fn read_${name}(start: u32, quad: u32) -> vec4f { return ${buffer}[start / 4u + quad]; }`
    : `
fn read_${name}(start: u32, quad: u32) -> vec4f {
  var four = vec4f();
  for (var i = 0u; i < min(4u, ${d}u - 4u * quad); i++) { four[i] = ${buffer}[start + 4u * quad + i]; }
  return four;
}`;

/** `write_NAME(start, quad, four)`. */
export const writer = ({d, element}: Tile, name: string, buffer = name): string =>
  element === 'vec4f'
    ? `fn write_${name}(start: u32, quad: u32, four: vec4f) { ${buffer}[start / 4u + quad] = four; }`
    : `
fn write_${name}(start: u32, quad: u32, four: vec4f) {
  for (var i = 0u; i < min(4u, ${d}u - 4u * quad); i++) { ${buffer}[start + 4u * quad + i] = four[i]; }
}`;

/**
 * Fills `left` or `right`; zeros where there is no such row.
 * @param name - what is read
 * @param exists - whether vector `row` of the tile is there
 * @param start - the index of its first number
 */
export const fill = (
  tile: Tile,
  side: 'left' | 'right',
  name: string,
  exists: string,
  start: string,
): string => `
for (var i = thread; i < ${(side === 'left' ? tile.rows : tile.columns) * quads(tile)}u; i += ${THREADS}u) {
  let row = i / ${quads(tile)}u;
  let quad = i % ${quads(tile)}u;
  var four = vec4f();
  if (${exists}) { four = read_${name}(${start}, quad); }
  ${side}[row * ${pitch(tile)}u + quad] = four;
}`;

/** Lines for each of a thread's rows. */
export const eachRow = (tile: Tile, line: (r: number) => string): string => unrolled(ownRows(tile), line);

/** Lines for each of a thread's columns. */
export const eachColumn = (tile: Tile, line: (c: number) => string): string =>
  unrolled(ownColumns(tile), line);

/** Lines for each of a thread's products. */
export const eachProduct = (tile: Tile, line: (r: number, c: number) => string): string =>
  eachRow(tile, (r) => eachColumn(tile, (c) => line(r, c)));

/** Lines for each of a thread's elements of its rows' vectors. */
export const eachQuad = (tile: Tile, line: (r: number, q: number) => string): string =>
  eachRow(tile, (r) => unrolled(ownQuads(tile), (q) => line(r, q)));

/** A thread's row, or column, in the tile. */
export const rowOf = (r: number): string => `(down + ${SIDE * r}u)`;
export const columnOf = (c: number): string => `(across + ${SIDE * c}u)`;
/** A thread's element of a vector. */
export const quadOf = (q: number): string => `(across + ${SIDE * q}u)`;
/** Whether there is such an element. */
export const hasQuad = (tile: Tile, q: number): string => `${quadOf(q)} < ${quads(tile)}u`;

/** A thread's place in the workgroup. */
export const PLACE = `
let down = thread / ${SIDE}u;
let across = thread % ${SIDE}u;`;

/** NAME_r_c: `left`'s rows times `right`'s. */
export const products = (tile: Tile, name: string): string => `
${eachProduct(tile, (r, c) => `var ${name}_${r}_${c} = 0.0;`)}
for (var quad = 0u; quad < ${quads(tile)}u; quad++) {
  ${eachRow(tile, (r) => `let a${r} = left[${rowOf(r)} * ${pitch(tile)}u + quad];`)}
  ${eachColumn(tile, (c) => `let b${c} = right[${columnOf(c)} * ${pitch(tile)}u + quad];`)}
  ${eachProduct(tile, (r, c) => `${name}_${r}_${c} += dot(a${r}, b${c});`)}
}`;

/** Sets `weights` at a thread's products. */
export const setWeights = (tile: Tile, value: (r: number, c: number) => string): string =>
  eachProduct(
    tile,
    (r, c) => `weights[${rowOf(r)} * ${tile.columns + 1}u + ${columnOf(c)}] = ${value(r, c)};`,
  );

/** Sums NAME_r_q, at first zeros: `addWeighted` adds to them. */
export const sums = (tile: Tile, name: string): string =>
  eachQuad(tile, (r, q) => `var ${name}_${r}_${q} = vec4f();`);

/** NAME_r_q += the rows of `right`, weighted by the tile's `weights`. */
export const addWeighted = (tile: Tile, name: string): string => `
for (var k = 0u; k < ${tile.columns}u; k++) {
  ${eachRow(tile, (r) => `let w${r} = weights[${rowOf(r)} * ${tile.columns + 1}u + k];`)}
  ${unrolled(ownQuads(tile), (q) => `let v${q} = right[k * ${pitch(tile)}u + ${quadOf(q)}];`)}
  ${eachQuad(tile, (r, q) => `${name}_${r}_${q} += w${r} * v${q};`)}
}`;

import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {AttentionAttributes, Projected} from '../../contract.js';
import {present} from '../../register.js';
import {elementOf} from './elements.js';
import {softmaxMemory, softmaxStart, softmaxStep} from './online-softmax.js';
import {output, reads, run, writes, type Bound, type Info, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {
  addWeighted,
  eachQuad,
  eachRow,
  fill,
  hasQuad,
  memory,
  PLACE,
  products,
  quadOf,
  columnOf,
  reader,
  rowOf,
  SQUARE,
  sums,
  THREADS,
  tileFor,
  writer,
  type Tile,
} from './tiles.js';

// Shapes: B batch, T tokens, D width, H heads, d = D / H.

/** What the text of a shader for attention depends on. */
export type AttentionConstants = Tile & {
  /** q, k and v are the thirds of one tensor's last axis. */
  packed: boolean;
  zero: boolean;
};

/** The readers of q, k and v. */
export const readers = (constants: AttentionConstants): string =>
  ['q', 'k', 'v'].map((name) => reader(constants, name, constants.packed ? 'qkv' : name)).join('\n');

/** Where the numbers of a token start in q, k or v; `row0` is the sequence's first token, `column` the head's. */
export const tokenStart = ({packed}: AttentionConstants, part: 'q' | 'k' | 'v', token: string): string => {
  const at = packed ? 'qkv'.indexOf(part) : 0;
  return `(row0 + ${token}) * u.stride + ${at}u * u.width + column`;
};

/** The sequence, head and tile of a workgroup, the last of each taking turns. */
export const WHERE = `
let tiles = u.tiles;
let head = (group / tiles) % u.heads;
let batch = group / (tiles * u.heads);
let row0 = batch * u.tokens;
let lane = (batch * u.heads + head) * u.tokens;`;

/** Each of a thread's rows' zero logit, z_r. */
export const zeroLogits = (tile: Tile): string =>
  eachRow(tile, (r) => `let z_${r} = zeroLogits[lane + min(first + ${rowOf(r)}, u.tokens - 1u)];`);

const shader: Shader<AttentionConstants> = {
  name: 'attention',
  threads: THREADS,
  code: (constants) => `
${memory(constants)}
${softmaxMemory(constants)}
${readers(constants)}
${writer(constants, 'out')}
fn main(group: u32, thread: u32) {
  ${PLACE}
  ${WHERE}
  let column = head * ${constants.d}u;
  // Later tiles see more keys: they begin first.
  let first = (tiles - 1u - group % tiles) * ${constants.rows}u;
  ${fill(constants, 'left', 'q', 'first + row < u.tokens', tokenStart(constants, 'q', 'first + row'))}
  workgroupBarrier();
  ${constants.zero ? zeroLogits(constants) : ''}
  ${softmaxStart(constants, constants.zero ? (r) => `z_${r}` : undefined)}
  ${sums(constants, 'o')}
  for (var start = 0u; start < min(first + ${constants.rows}u, u.tokens); start += ${constants.columns}u) {
    workgroupBarrier();
    ${fill(constants, 'right', 'k', 'start + row < u.tokens', tokenStart(constants, 'k', 'start + row'))}
    workgroupBarrier();
    ${products(constants, 's')}
    ${softmaxStep(
      constants,
      (r, c) => `start + ${columnOf(c)} <= first + ${rowOf(r)}`,
      fill(constants, 'right', 'v', 'start + row < u.tokens', tokenStart(constants, 'v', 'start + row')),
    )}
    ${eachQuad(constants, (r, q) => `o_${r}_${q} *= kept_${r};`)}
    ${addWeighted(constants, 'o')}
  }
  ${eachRow(
    constants,
    (r) => `
  if (first + ${rowOf(r)} < u.tokens) {
    let token = first + ${rowOf(r)};
    let logSum = m_${r} + log(l_${r});
    if (across == 0u) {
      lse[lane + token] = logSum;
      ${constants.zero ? `zero[lane + token] = exp(z_${r} - logSum);` : ''}
    }
  }`,
  )}
  ${eachQuad(
    constants,
    (r, q) => `
  if (first + ${rowOf(r)} < u.tokens && ${hasQuad(constants, q)}) {
    write_out((row0 + first + ${rowOf(r)}) * u.width + column, ${quadOf(q)}, o_${r}_${q} / l_${r});
  }`,
  )}
}`,
};

/** q, k and v of their own, or as the thirds of qkv's last axis. */
export interface Attended {
  constants: AttentionConstants;
  /** What is read: q, k, v or qkv, and the zero logits. */
  buffers: Record<string, Bound>;
  parts: Info[];
  batch: number;
  heads: number;
  tokens: number;
  width: number;
  /** Tiles of one head of a sequence. */
  tiles: number;
  whole: Record<string, number>;
  real: {scale: number};
}

export function attended(
  inputs: Projected<Info> & {zeroLogits?: Info},
  {heads, scale}: AttentionAttributes,
  backend: WebGPUBackend,
): Attended {
  const packed = 'qkv' in inputs;
  const {zeroLogits} = inputs;
  const named: Record<string, Info> = packed ? {qkv: inputs.qkv} : {q: inputs.q, k: inputs.k, v: inputs.v};
  const parts = Object.values(named);
  const [batch, tokens, stride] = parts[0]!.shape as [number, number, number];
  const width = packed ? stride / 3 : stride;
  const tile = tileFor(backend, width / heads, tokens, SQUARE, elementOf(width / heads));
  const {element} = tile;
  const tiles = Math.ceil(tokens / tile.rows);
  const qkv = Object.fromEntries(Object.entries(named).map(([name, info]) => [name, reads(info, element)]));
  return {
    constants: {...tile, packed, zero: zeroLogits !== undefined},
    buffers: {...qkv, ...(zeroLogits && {zeroLogits: reads(zeroLogits)})},
    parts,
    batch,
    heads,
    tokens,
    width,
    tiles,
    whole: {heads, tokens, stride, width, tiles},
    real: {scale},
  };
}

const attention: Kernel<'ZttAttention'> = (inputs, attributes, backend) => {
  const {constants, buffers, batch, heads, tokens, width, tiles, whole, real} = attended(
    inputs,
    attributes,
    backend,
  );
  const out = output(backend, [batch, tokens, width]);
  const lse = output(backend, [batch, heads, tokens]);
  const zero = constants.zero ? output(backend, [batch, heads, tokens]) : undefined;
  run(backend, shader, {
    constants,
    buffers: {
      ...buffers,
      out: writes(out, constants.element),
      lse: writes(lse),
      ...(zero && {zero: writes(zero)}),
    },
    whole,
    real,
    groups: batch * heads * tiles,
  });
  return present(out, lse, zero);
};

export const ATTENTION = {ZttAttention: attention} satisfies Kernels;

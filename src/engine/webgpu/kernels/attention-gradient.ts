import {attended, readers, tokenStart, WHERE, zeroLogits, type AttentionConstants} from './attention.js';
import {output, reads, run, withScratch, writes, type Info, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {
  addWeighted,
  columnOf,
  eachColumn,
  eachProduct,
  eachQuad,
  eachRow,
  fill,
  hasQuad,
  memory,
  PLACE,
  products,
  quadOf,
  reader,
  rowOf,
  setWeights,
  sums,
  THREADS,
  writer,
} from './tiles.js';

// The weights p are computed again from the logits and their log-sum-exp. With delta = dy . out of each query and head,
// the gradient by a logit is p (dy . v - delta); dq and dk are its products with k and q, times the scale (Dao et al.,
// arXiv 2205.14135, algorithm 4). Queries and keys are gone over in two shaders, so that each sum has one place and one
// order.

/** Each query's and head's [lse, delta], side by side as [B, H, T, 2]. */
const deltas: Shader<AttentionConstants> = {
  name: 'attention gradient, deltas',
  threads: THREADS,
  code: (constants) => `
${reader(constants, 'out')}
${reader(constants, 'dy')}
fn main(group: u32, thread: u32) {
  let i = group * ${THREADS}u + thread;
  if (i >= u.size) { return; }
  let head = i % u.heads;
  let row = i / u.heads;
  let lane = (row / u.tokens * u.heads + head) * u.tokens + row % u.tokens;
  var delta = 0.0;
  for (var quad = 0u; quad < ${Math.ceil(constants.d / 4)}u; quad++) {
    delta += dot(read_out(i * ${constants.d}u, quad), read_dy(i * ${constants.d}u, quad));
  }
  rows[2u * lane] = lse[lane];
  rows[2u * lane + 1u] = delta;
}`,
};

/** dq, and the gradient by the zero logits [B, H, T]. */
const byQueries: Shader<AttentionConstants> = {
  name: 'attention gradient by queries',
  threads: THREADS,
  code: (constants) => `
${memory(constants)}
${readers(constants)}
${reader(constants, 'dy')}
${writer(constants, 'dq', constants.packed ? 'dqkv' : 'dq')}
fn main(group: u32, thread: u32) {
  ${PLACE}
  ${WHERE}
  let column = head * ${constants.d}u;
  let tile = tiles - 1u - group % tiles;
  let first = tile * ${constants.rows}u;
  ${eachRow(
    constants,
    (r) => `
  let there_${r} = first + ${rowOf(r)} < u.tokens;
  let lse_${r} = rows[2u * (lane + min(first + ${rowOf(r)}, u.tokens - 1u))];
  let delta_${r} = rows[2u * (lane + min(first + ${rowOf(r)}, u.tokens - 1u)) + 1u];`,
  )}
  ${sums(constants, 'dq')}
  for (var start = 0u; start < min(first + ${constants.rows}u, u.tokens); start += ${constants.columns}u) {
    workgroupBarrier();
    ${fill(constants, 'left', 'dy', 'first + row < u.tokens', '(row0 + first + row) * u.width + column')}
    ${fill(constants, 'right', 'v', 'start + row < u.tokens', tokenStart(constants, 'v', 'start + row'))}
    workgroupBarrier();
    ${products(constants, 'dp')}
    workgroupBarrier();
    ${fill(constants, 'left', 'q', 'first + row < u.tokens', tokenStart(constants, 'q', 'first + row'))}
    ${fill(constants, 'right', 'k', 'start + row < u.tokens', tokenStart(constants, 'k', 'start + row'))}
    workgroupBarrier();
    ${products(constants, 's')}
    ${eachProduct(
      constants,
      (r, c) => `
    let p_${r}_${c} = select(
      0.0,
      exp(min(s_${r}_${c} * u.scale - lse_${r}, 0.0)),
      there_${r} && start + ${columnOf(c)} <= first + ${rowOf(r)},
    );`,
    )}
    ${setWeights(constants, (r, c) => `p_${r}_${c} * (dp_${r}_${c} - delta_${r}) * u.scale`)}
    workgroupBarrier();
    ${addWeighted(constants, 'dq')}
  }
  ${constants.zero ? zeroLogitSlopes(constants) : ''}
  ${eachQuad(
    constants,
    (r, q) => `
  if (there_${r} && ${hasQuad(constants, q)}) {
    write_dq(${tokenStart(constants, 'q', `first + ${rowOf(r)}`)}, ${quadOf(q)}, dq_${r}_${q});
  }`,
  )}
}`,
};

/** The zero token, whose value is zero: dy . v is 0, and the gradient by its logit -z delta. */
const zeroLogitSlopes = (constants: AttentionConstants): string => `
  ${zeroLogits(constants)}
  ${eachRow(
    constants,
    (r) => `
  if (there_${r} && across == 0u) {
    dZero[lane + first + ${rowOf(r)}] = -exp(min(z_${r} - lse_${r}, 0.0)) * delta_${r};
  }`,
  )}`;

/** dk and dv: here a tile's rows are keys, and its columns the queries that see them. */
const byKeys: Shader<AttentionConstants> = {
  name: 'attention gradient by keys and values',
  threads: THREADS,
  code: (constants) => `
${memory(constants)}
${readers(constants)}
${reader(constants, 'dy')}
${writer(constants, 'dk', constants.packed ? 'dqkv' : 'dk')}
${writer(constants, 'dv', constants.packed ? 'dqkv' : 'dv')}
fn main(group: u32, thread: u32) {
  ${PLACE}
  ${WHERE}
  let column = head * ${constants.d}u;
  let first = (group % tiles) * ${constants.rows}u;
  ${sums(constants, 'dk')}
  ${sums(constants, 'dv')}
  for (var start = first; start < u.tokens; start += ${constants.columns}u) {
    workgroupBarrier();
    ${fill(constants, 'left', 'v', 'first + row < u.tokens', tokenStart(constants, 'v', 'first + row'))}
    ${fill(constants, 'right', 'dy', 'start + row < u.tokens', '(row0 + start + row) * u.width + column')}
    workgroupBarrier();
    ${products(constants, 'dp')}
    workgroupBarrier();
    ${fill(constants, 'left', 'k', 'first + row < u.tokens', tokenStart(constants, 'k', 'first + row'))}
    ${fill(constants, 'right', 'q', 'start + row < u.tokens', tokenStart(constants, 'q', 'start + row'))}
    workgroupBarrier();
    ${products(constants, 's')}
    ${eachColumn(
      constants,
      (c) => `
    let query_${c} = start + ${columnOf(c)};
    let lse_${c} = rows[2u * (lane + min(query_${c}, u.tokens - 1u))];
    let delta_${c} = rows[2u * (lane + min(query_${c}, u.tokens - 1u)) + 1u];`,
    )}
    ${eachProduct(
      constants,
      (r, c) => `
    let p_${r}_${c} = select(
      0.0,
      exp(min(s_${r}_${c} * u.scale - lse_${c}, 0.0)),
      query_${c} < u.tokens && first + ${rowOf(r)} <= query_${c},
    );`,
    )}
    ${setWeights(constants, (r, c) => `p_${r}_${c} * (dp_${r}_${c} - delta_${c}) * u.scale`)}
    workgroupBarrier();
    ${addWeighted(constants, 'dk')}
    workgroupBarrier();
    ${setWeights(constants, (r, c) => `p_${r}_${c}`)}
    ${fill(constants, 'right', 'dy', 'start + row < u.tokens', '(row0 + start + row) * u.width + column')}
    workgroupBarrier();
    ${addWeighted(constants, 'dv')}
  }
  ${eachQuad(
    constants,
    (r, q) => `
  if (first + ${rowOf(r)} < u.tokens && ${hasQuad(constants, q)}) {
    write_dk(${tokenStart(constants, 'k', `first + ${rowOf(r)}`)}, ${quadOf(q)}, dk_${r}_${q});
    write_dv(${tokenStart(constants, 'v', `first + ${rowOf(r)}`)}, ${quadOf(q)}, dv_${r}_${q});
  }`,
  )}
}`,
};

const gradient: Kernel<'ZttAttentionGradient'> = (inputs, attributes, backend) => {
  const {out, lse, dy} = inputs;
  const all = attended(inputs, attributes, backend);
  const {constants, parts, batch, heads, tokens, tiles, whole, real} = all;
  const {element} = constants;
  const {zeroLogits: zeroBuffer, ...qkv} = all.buffers;
  const grads = parts.map(({shape}) => output(backend, shape));
  const dZero = inputs.zeroLogits ? [output(backend, inputs.zeroLogits.shape)] : [];
  const given = (rows: Info) => ({...qkv, dy: reads(dy, element), rows: reads(rows)});
  const to = (...names: string[]) =>
    Object.fromEntries(
      constants.packed
        ? [['dqkv', writes(grads[0]!, element)]]
        : names.map((name) => [name, writes(grads[['dq', 'dk', 'dv'].indexOf(name)]!, element)]),
    );
  const groups = batch * heads * tiles;
  withScratch(backend, [batch, heads, tokens, 2], (rows) => {
    const size = batch * heads * tokens;
    run(backend, deltas, {
      constants: {...constants, packed: false, zero: false},
      buffers: {
        out: reads(out, element),
        dy: reads(dy, element),
        lse: reads(lse),
        rows: writes(rows),
      },
      whole: {size, heads, tokens},
      groups: Math.ceil(size / THREADS),
    });
    run(backend, byQueries, {
      constants,
      buffers: {
        ...given(rows),
        ...to('dq'),
        ...(zeroBuffer && {zeroLogits: zeroBuffer, dZero: writes(dZero[0]!)}),
      },
      whole,
      real,
      groups,
    });
    run(backend, byKeys, {
      constants: {...constants, zero: false},
      buffers: {...given(rows), ...to('dk', 'dv')},
      whole,
      real,
      groups,
    });
  });
  return [...grads, ...dZero];
};

export const ATTENTION_GRADIENT = {ZttAttentionGradient: gradient} satisfies Kernels;

// Elementwise operations, reductions and copies, for JavaScript.
#include "call.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

namespace calls {
ZTT_ARGUMENTS(unary, op, x, y);
ZTT_ARGUMENTS(binary, op, shape, a, b, y);
ZTT_ARGUMENTS(reduce, op, rows, n, x, y);
ZTT_ARGUMENTS(softmax, rows, n, x, y);
ZTT_ARGUMENTS(argMax, rows, n, x, y);
ZTT_ARGUMENTS(tokenScores, rows, n, logits, places, targets, logProbabilities, best);
ZTT_ARGUMENTS(sumSquares, x);
ZTT_ARGUMENTS(columnSums, rows, n, x, y);
ZTT_ARGUMENTS(fill, value, y);
ZTT_ARGUMENTS(copy, block, x, y);
ZTT_ARGUMENTS(gatherRows, n, rows, size, table, ids, y);
ZTT_ARGUMENTS(scatterAdd, n, rows, size, ids, dy, tableGrad);
}  // namespace calls

napi_value unary(const Call& call) {
  using A = calls::unary;
  const int64_t n = call.length(A::y);
  map_unary(call.choice<Unary>(A::op), n, call.floats(A::x, n), call.floats(A::y, n));
  return nullptr;
}

// shape: outer, inner, aOuter, aInner, bOuter, bInner
napi_value binary(const Call& call) {
  using A = calls::binary;
  int64_t s[6];
  call.sizes(A::shape, 6, s);
  if (s[3] > 1 || s[5] > 1) throw Refusal{"an inner stride that is neither 0 nor 1", A::shape};
  const Broadcast shape{s[0], s[1], s[2], s[3], s[4], s[5]};
  if (shape.outer == 0 || shape.inner == 0) return nullptr;
  const float* a = call.floats(A::a, times(shape.outer - 1, shape.a_outer) + times(shape.inner - 1, shape.a_inner) + 1);
  const float* b = call.floats(A::b, times(shape.outer - 1, shape.b_outer) + times(shape.inner - 1, shape.b_inner) + 1);
  map_binary(call.choice<Binary>(A::op), shape, a, b, call.floats(A::y, times(shape.outer, shape.inner)));
  return nullptr;
}

int64_t row_length(const Call& call, int i) {
  const int64_t n = call.size(i);
  if (n == 0) throw Refusal{"rows of nothing", i};
  return n;
}

napi_value reduce(const Call& call) {
  using A = calls::reduce;
  const int64_t rows = call.size(A::rows), n = row_length(call, A::n);
  reduce_rows(call.choice<Reduction>(A::op), rows, n, call.floats(A::x, times(rows, n)), call.floats(A::y, rows));
  return nullptr;
}

napi_value softmax(const Call& call) {
  using A = calls::softmax;
  const int64_t rows = call.size(A::rows), n = row_length(call, A::n), all = times(rows, n);
  softmax_rows(rows, n, call.floats(A::x, all), call.floats(A::y, all));
  return nullptr;
}

napi_value arg_max(const Call& call) {
  using A = calls::argMax;
  const int64_t rows = call.size(A::rows), n = row_length(call, A::n);
  if (n > INT32_MAX) throw Refusal{"rows too long for an index", A::n};
  arg_max_rows(rows, n, call.floats(A::x, times(rows, n)), call.ints(A::y, rows));
  return nullptr;
}

const int32_t* row_ids(const Call& call, int i, int64_t n, int64_t rows) {
  const int32_t* ids = call.ints(i, n);
  for (int64_t j = 0; j < n; j++) {
    if (ids[j] < 0 || ids[j] >= rows) throw Refusal{"an index outside of the table", i};
  }
  return ids;
}

napi_value token_scores_(const Call& call) {
  using A = calls::tokenScores;
  TokenScores s{};
  s.rows = call.size(A::rows, INT32_MAX);
  s.n = call.size(A::n, INT32_MAX);
  s.count = call.length(A::logProbabilities);
  if (s.n == 0) throw Refusal{"scores of nothing", A::n};
  s.logits = call.floats(A::logits, times(s.rows, s.n));
  s.places = row_ids(call, A::places, s.count, s.rows);
  s.targets = row_ids(call, A::targets, s.count, s.n);
  s.log_probabilities = call.floats(A::logProbabilities, s.count);
  s.best = call.ints(A::best, s.rows);
  token_scores(s);
  return nullptr;
}

napi_value sum_squares(const Call& call) {
  using A = calls::sumSquares;
  return call.number_value(sum_of_squares(call.length(A::x), call.floats(A::x, 0)));
}

napi_value columns(const Call& call) {
  using A = calls::columnSums;
  const int64_t rows = call.size(A::rows), n = call.size(A::n);
  column_sums(rows, n, call.floats(A::x, times(rows, n)), call.floats(A::y, n));
  return nullptr;
}

napi_value fill_(const Call& call) {
  using A = calls::fill;
  fill(call.length(A::y), call.number(A::value), call.floats(A::y, 0));
  return nullptr;
}

int64_t reach(const int64_t* sizes, const int64_t* strides, int64_t start) {
  int64_t last = start;
  for (int i = 0; i < 4; i++) {
    if (__builtin_add_overflow(last, times(sizes[i] - 1, strides[i]), &last)) throw Refusal{"a copy too far", calls::copy::block};
  }
  return last + 1;
}

// block: 4 sizes, 4 strides of x, 4 strides of y, start in x, start in y
napi_value copy(const Call& call) {
  using A = calls::copy;
  int64_t s[14];
  call.sizes(A::block, 14, s);
  Copy block;
  for (int i = 0; i < 4; i++) {
    block.sizes[i] = s[i];
    block.from[i] = s[4 + i];
    block.to[i] = s[8 + i];
    if (s[i] == 0) return nullptr;
  }
  times(times(s[0], s[1]), times(s[2], s[3]));
  const float* x = call.floats(A::x, reach(block.sizes, block.from, s[12]));
  float* y = call.floats(A::y, reach(block.sizes, block.to, s[13]));
  copy_block(block, x + s[12], y + s[13]);
  return nullptr;
}

napi_value gather(const Call& call) {
  using A = calls::gatherRows;
  const int64_t n = call.size(A::n), rows = call.size(A::rows), size = call.size(A::size);
  const float* table = call.floats(A::table, times(rows, size));
  gather_rows(n, size, table, row_ids(call, A::ids, n, rows), call.floats(A::y, times(n, size)));
  return nullptr;
}

napi_value scatter(const Call& call) {
  using A = calls::scatterAdd;
  const int64_t n = call.size(A::n), rows = call.size(A::rows), size = call.size(A::size);
  const float* dy = call.floats(A::dy, times(n, size));
  scatter_add(n, rows, size, row_ids(call, A::ids, n, rows), dy, call.floats(A::tableGrad, times(rows, size)));
  return nullptr;
}

const Entry kEntries[] = {
    entry<calls::unary>(unary),
    entry<calls::binary>(binary),
    entry<calls::reduce>(reduce),
    entry<calls::softmax>(softmax),
    entry<calls::argMax>(arg_max),
    entry<calls::tokenScores>(token_scores_),
    entry<calls::sumSquares>(sum_squares),
    entry<calls::columnSums>(columns),
    entry<calls::fill>(fill_),
    entry<calls::copy>(copy),
    entry<calls::gatherRows>(gather),
    entry<calls::scatterAdd>(scatter),
};

}  // namespace

void define_tensor_kernels(const Exports& exports) { define(exports, kEntries); }

}  // namespace ztt

// Elementwise operations, reductions and copies, for JavaScript.
#include "call.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

template <typename Enum>
Enum choice(const Call& call, int i) {
  return static_cast<Enum>(call.size(i, static_cast<int64_t>(Enum::count) - 1));
}

// (op, x, y)
napi_value unary(const Call& call) {
  const int64_t n = call.length(2);
  map_unary(choice<Unary>(call, 0), n, call.floats(1, n), call.floats(2, n));
  return nullptr;
}

// (op, [outer, inner, aOuter, aInner, bOuter, bInner], a, b, y)
napi_value binary(const Call& call) {
  int64_t s[6];
  call.sizes(1, 6, s);
  if (s[3] > 1 || s[5] > 1) throw Refusal{"an inner stride that is neither 0 nor 1", 2};
  const Broadcast shape{s[0], s[1], s[2], s[3], s[4], s[5]};
  if (shape.outer == 0 || shape.inner == 0) return nullptr;
  const float* a = call.floats(2, times(shape.outer - 1, shape.a_outer) + times(shape.inner - 1, shape.a_inner) + 1);
  const float* b = call.floats(3, times(shape.outer - 1, shape.b_outer) + times(shape.inner - 1, shape.b_inner) + 1);
  map_binary(choice<Binary>(call, 0), shape, a, b, call.floats(4, times(shape.outer, shape.inner)));
  return nullptr;
}

int64_t row_length(const Call& call, int i) {
  const int64_t n = call.size(i);
  if (n == 0) throw Refusal{"rows of nothing", i + 1};
  return n;
}

// (op, rows, n, x, y)
napi_value reduce(const Call& call) {
  const int64_t rows = call.size(1), n = row_length(call, 2);
  reduce_rows(choice<Reduction>(call, 0), rows, n, call.floats(3, times(rows, n)), call.floats(4, rows));
  return nullptr;
}

// (rows, n, x, y)
napi_value softmax(const Call& call) {
  const int64_t rows = call.size(0), n = row_length(call, 1), all = times(rows, n);
  softmax_rows(rows, n, call.floats(2, all), call.floats(3, all));
  return nullptr;
}

// (rows, n, x, y)
napi_value arg_max(const Call& call) {
  const int64_t rows = call.size(0), n = row_length(call, 1);
  if (n > INT32_MAX) throw Refusal{"rows too long for an index", 2};
  arg_max_rows(rows, n, call.floats(2, times(rows, n)), call.ints(3, rows));
  return nullptr;
}

const int32_t* row_ids(const Call& call, int i, int64_t n, int64_t rows) {
  const int32_t* ids = call.ints(i, n);
  for (int64_t j = 0; j < n; j++) {
    if (ids[j] < 0 || ids[j] >= rows) throw Refusal{"an index outside of the table", i + 1};
  }
  return ids;
}

// (rows, n, logits, places, targets, logProbabilities, best)
napi_value token_scores_(const Call& call) {
  TokenScores s{};
  s.rows = call.size(0, INT32_MAX);
  s.n = call.size(1, INT32_MAX);
  s.count = call.length(5);
  if (s.n == 0) throw Refusal{"scores of nothing", 2};
  s.logits = call.floats(2, times(s.rows, s.n));
  s.places = row_ids(call, 3, s.count, s.rows);
  s.targets = row_ids(call, 4, s.count, s.n);
  s.log_probabilities = call.floats(5, s.count);
  s.best = call.ints(6, s.rows);
  token_scores(s);
  return nullptr;
}

// (x)
napi_value sum_squares(const Call& call) {
  napi_value result;
  napi_create_double(call.env(), sum_of_squares(call.length(0), call.floats(0, 0)), &result);
  return result;
}

// (rows, n, x, y)
napi_value columns(const Call& call) {
  const int64_t rows = call.size(0), n = call.size(1);
  column_sums(rows, n, call.floats(2, times(rows, n)), call.floats(3, n));
  return nullptr;
}

// (value, y)
napi_value fill_(const Call& call) {
  fill(call.length(1), call.number(0), call.floats(1, 0));
  return nullptr;
}

int64_t reach(const int64_t* sizes, const int64_t* strides, int64_t start) {
  int64_t last = start;
  for (int i = 0; i < 4; i++) {
    if (__builtin_add_overflow(last, times(sizes[i] - 1, strides[i]), &last)) throw Refusal{"a copy too far", 1};
  }
  return last + 1;
}

// ([4 sizes, 4 strides of x, 4 strides of y, start in x, start in y], x, y)
napi_value copy(const Call& call) {
  int64_t s[14];
  call.sizes(0, 14, s);
  Copy block;
  for (int i = 0; i < 4; i++) {
    block.sizes[i] = s[i];
    block.from[i] = s[4 + i];
    block.to[i] = s[8 + i];
    if (s[i] == 0) return nullptr;
  }
  times(times(s[0], s[1]), times(s[2], s[3]));
  const float* x = call.floats(1, reach(block.sizes, block.from, s[12]));
  float* y = call.floats(2, reach(block.sizes, block.to, s[13]));
  copy_block(block, x + s[12], y + s[13]);
  return nullptr;
}

// (n, rows, size, table, ids, y)
napi_value gather(const Call& call) {
  const int64_t n = call.size(0), rows = call.size(1), size = call.size(2);
  const float* table = call.floats(3, times(rows, size));
  gather_rows(n, size, table, row_ids(call, 4, n, rows), call.floats(5, times(n, size)));
  return nullptr;
}

// (n, rows, size, ids, dy, tableGrad)
napi_value scatter(const Call& call) {
  const int64_t n = call.size(0), rows = call.size(1), size = call.size(2);
  const float* dy = call.floats(4, times(n, size));
  scatter_add(n, rows, size, row_ids(call, 3, n, rows), dy, call.floats(5, times(rows, size)));
  return nullptr;
}

const Entry kEntries[] = {
    {"unary", 3, unary},        {"binary", 5, binary},          {"reduce", 5, reduce},      {"softmax", 4, softmax},
    {"argMax", 4, arg_max},     {"sumSquares", 1, sum_squares}, {"columnSums", 4, columns}, {"fill", 2, fill_},
    {"copy", 3, copy},          {"gatherRows", 6, gather},      {"scatterAdd", 6, scatter},
    {"tokenScores", 7, token_scores_},
};

}  // namespace

void define_tensor_kernels(napi_env env, napi_value exports) { define(env, exports, kEntries, 12); }

}  // namespace ztt

// Matrix products, for JavaScript.
#include "call.h"
#include "gemm.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

constexpr int64_t kMostDimension = int64_t{1} << 31;

// (batch, ta, tb, m, n, k, a, strideA, b, strideB, c): c [batch, m, n]; a stride of 0 shares one matrix.
napi_value mat_mul(const Call& call) {
  const int64_t batch = call.size(0, kMostDimension);
  const bool ta = call.flag(1), tb = call.flag(2);
  const int64_t m = call.size(3, kMostDimension), n = call.size(4, kMostDimension), k = call.size(5, kMostDimension);
  if (batch == 0 || m == 0 || n == 0) return nullptr;
  const int64_t stride_a = call.size(7), stride_b = call.size(9);
  const float* a = call.floats(6, times(batch - 1, stride_a) + times(m, k));
  const float* b = call.floats(8, times(batch - 1, stride_b) + times(k, n));
  float* c = call.floats(10, times(batch, m, n));
  if (k == 0) {
    fill(batch * m * n, 0, c);
  } else if (batch == 1) {
    sgemm(ta, tb, m, n, k, a, ta ? m : k, b, tb ? k : n, c, n, false, {});
  } else {
    sgemm_batched(batch, ta, tb, m, n, k, a, ta ? m : k, stride_a, b, tb ? k : n, stride_b, c, n, m * n, false);
  }
  return nullptr;
}

// (tb, m, n, k, x, w, wStride, bias or null, activation, y, before or null): y = activation(x w + bias), where rows of w
// are wStride apart
napi_value linear(const Call& call) {
  const bool tb = call.flag(0);
  const int64_t m = call.size(1, kMostDimension), n = call.size(2, kMostDimension), k = call.size(3, kMostDimension);
  const float* x = call.floats(4, times(m, k));
  const int64_t stride = call.size(6, kMostDimension);
  const int64_t w_rows = tb ? n : k, w_columns = tb ? k : n;
  if (k == 0) throw Refusal{"a product over nothing", 4};
  if (stride < w_columns) throw Refusal{"rows that overlap", 7};
  const float* w = call.floats(5, w_rows == 0 ? 0 : times(w_rows - 1, stride) + w_columns);
  Epilogue epilogue;
  epilogue.bias = call.maybe_floats(7, n);
  epilogue.activation = static_cast<Activation>(call.size(8, static_cast<int64_t>(Activation::silu)));
  float* y = call.floats(9, times(m, n));
  epilogue.before = call.maybe_floats(10, times(m, n));
  if (m > 0 && n > 0) sgemm(false, tb, m, n, k, x, k, w, stride, y, n, false, epilogue);
  return nullptr;
}

const Entry kEntries[] = {
    {"matMul", 11, mat_mul},
    {"linear", 11, linear},
};

}  // namespace

void define_products(napi_env env, napi_value exports) { define(env, exports, kEntries, 2); }

}  // namespace ztt

// Matrix products, for JavaScript.
#include "call.h"
#include "gemm.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

constexpr int64_t kMostDimension = int64_t{1} << 31;

namespace calls {
ZTT_ARGUMENTS(matMul, batch, transposeA, transposeB, m, n, k, a, strideA, b, strideB, c);
ZTT_ARGUMENTS(linear, transposeW, m, n, k, x, w, strideW, bias, activation, y, before);
}  // namespace calls

// c [batch, m, n]; a stride of 0 shares one matrix.
napi_value mat_mul(const Call& call) {
  using A = calls::matMul;
  const int64_t batch = call.size(A::batch, kMostDimension);
  const bool ta = call.flag(A::transposeA), tb = call.flag(A::transposeB);
  const int64_t m = call.size(A::m, kMostDimension), n = call.size(A::n, kMostDimension), k = call.size(A::k, kMostDimension);
  if (batch == 0 || m == 0 || n == 0) return nullptr;
  const int64_t stride_a = call.size(A::strideA), stride_b = call.size(A::strideB);
  const float* a = call.floats(A::a, times(batch - 1, stride_a) + times(m, k));
  const float* b = call.floats(A::b, times(batch - 1, stride_b) + times(k, n));
  float* c = call.floats(A::c, times(batch, m, n));
  if (k == 0) {
    fill(batch * m * n, 0, c);
  } else if (batch == 1) {
    sgemm(ta, tb, m, n, k, a, ta ? m : k, b, tb ? k : n, c, n, false, {});
  } else {
    sgemm_batched(batch, ta, tb, m, n, k, a, ta ? m : k, stride_a, b, tb ? k : n, stride_b, c, n, m * n, false);
  }
  return nullptr;
}

// y = activation(x w + bias), where rows of w are strideW apart. bias and before may be null.
napi_value linear(const Call& call) {
  using A = calls::linear;
  const bool tb = call.flag(A::transposeW);
  const int64_t m = call.size(A::m, kMostDimension), n = call.size(A::n, kMostDimension), k = call.size(A::k, kMostDimension);
  const float* x = call.floats(A::x, times(m, k));
  const int64_t stride = call.size(A::strideW, kMostDimension);
  const int64_t w_rows = tb ? n : k, w_columns = tb ? k : n;
  if (k == 0) throw Refusal{"a product over nothing", A::k};
  if (stride < w_columns) throw Refusal{"rows that overlap", A::strideW};
  const float* w = call.floats(A::w, w_rows == 0 ? 0 : times(w_rows - 1, stride) + w_columns);
  Epilogue epilogue;
  epilogue.bias = call.maybe_floats(A::bias, n);
  epilogue.activation = call.choice<Activation>(A::activation);
  float* y = call.floats(A::y, times(m, n));
  epilogue.before = call.maybe_floats(A::before, times(m, n));
  if (m > 0 && n > 0) sgemm(false, tb, m, n, k, x, k, w, stride, y, n, false, epilogue);
  return nullptr;
}

const Entry kEntries[] = {entry<calls::matMul>(mat_mul), entry<calls::linear>(linear)};

}  // namespace

void define_products(const Exports& exports) { define(exports, kEntries); }

}  // namespace ztt

// The plain product; to be replaced.
#include "gemm.h"

#include <cmath>

#include "pool.h"

namespace ztt {
namespace {
struct Call {
  bool ta, tb;
  int64_t n, k;
  const float *a, *b;
  int64_t lda, ldb;
  float* c;
  int64_t ldc;
  bool accumulate;
  const Epilogue* epilogue;
};

float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::gelu_new: {
      const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
      return x / (1.0f + std::exp(-2.0f * u));
    }
    case Activation::gelu: return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
    case Activation::relu: return x > 0 ? x : 0;
    case Activation::silu: return x / (1.0f + std::exp(-x));
    default: return x;
  }
}

void rows(int64_t begin, int64_t end, int, void* context) {
  const Call& g = *static_cast<Call*>(context);
  for (int64_t i = begin; i < end; i++) {
    float* c = g.c + i * g.ldc;
    if (!g.accumulate) for (int64_t j = 0; j < g.n; j++) c[j] = 0;
    for (int64_t p = 0; p < g.k; p++) {
      const float x = g.ta ? g.a[p * g.lda + i] : g.a[i * g.lda + p];
      for (int64_t j = 0; j < g.n; j++) c[j] += x * (g.tb ? g.b[j * g.ldb + p] : g.b[p * g.ldb + j]);
    }
    for (int64_t j = 0; j < g.n; j++) {
      float y = c[j] + (g.epilogue->bias ? g.epilogue->bias[j] : 0);
      if (g.epilogue->before) g.epilogue->before[i * g.ldc + j] = y;
      c[j] = activate(g.epilogue->activation, y);
    }
  }
}
}  // namespace

void sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
           int64_t ldb, float* c, int64_t ldc, bool accumulate, const Epilogue& epilogue) {
  Call call{ta, tb, n, k, a, b, lda, ldb, c, ldc, accumulate, &epilogue};
  parallel_for(m, 8, rows, &call);
}

void sgemm_batched(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                   int64_t stride_a, const float* b, int64_t ldb, int64_t stride_b, float* c, int64_t ldc,
                   int64_t stride_c, bool accumulate) {
  for (int64_t i = 0; i < batch; i++) {
    sgemm(ta, tb, m, n, k, a + i * stride_a, lda, b + i * stride_b, ldb, c + i * stride_c, ldc, accumulate, Epilogue{});
  }
}
}  // namespace ztt

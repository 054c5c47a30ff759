// Single-precision matrix products, on the pool.
#pragma once
#include <cstdint>

#include "names.h"

namespace ztt {

ZTT_ENUM(Activation, none, gelu_new, gelu, relu, silu);

// What is done to C once its sums are complete.
struct Epilogue {
  const float* bias = nullptr;                 // [n], added to every row
  Activation activation = Activation::none;    // applied after the bias
  float* before = nullptr;                     // if set, C before the activation goes here too, with C's ldc
};

// C[m, n] = op(A) op(B) (+ C if accumulate), row-major. op(X) is X, or X transposed.
// A is [m, k] with row stride lda, or [k, m] if ta; B is [k, n] with row stride ldb, or [n, k] if tb.
// A row's sums depend on that row of op(A), on op(B), n and k alone: not on m, its place, or the threads.
void sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
           int64_t ldb, float* c, int64_t ldc, bool accumulate, const Epilogue& epilogue);

// `batch` products of the same shape; matrix i of X starts at x + i * stride_x (0 to share one).
void sgemm_batched(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                   int64_t stride_a, const float* b, int64_t ldb, int64_t stride_b, float* c, int64_t ldc,
                   int64_t stride_c, bool accumulate);

}  // namespace ztt

// What the blocked product asks of one instruction set. Plain data and pointers only: the files that implement it are
// compiled with instructions that other CPUs lack, and must share no inline function with the rest.
#pragma once
#include <cstdint>

namespace ztt {

// C[rows, cols] (+)= sum over p < k of a(i, p) * b(p, j), with a(i, p) at a[i * a_row + p * a_step] and b(p, j) at
// b[p * ldb + j]. b may be read up to the next multiple of the vector's lanes.
struct Tile {
  const float* a;
  int64_t a_row, a_step;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  int64_t k;
  int rows, cols;
  bool accumulate;
};

// The largest tile whose sums stay in registers: forms for wide and for narrow products, and for few rows, where the
// time goes into reading B and long stretches of its rows are read best.
struct TileShape {
  int rows, vectors;
};

struct GemmIsa {
  int lanes;
  TileShape wide, narrow, few;

  // Either a_row or a_step is 1.
  void (*tile)(const Tile& tile);

  // dst[panel][p][j] = src[p * ld + panel * width + j]: columns into panels of `width`, k steps each; a last panel is
  // filled with zeros to a multiple of the lanes, or to its width if that is less.
  void (*pack)(const float* src, int64_t ld, int64_t k, int64_t cols, int width, float* dst, int64_t panel_stride);
  // The same from the transpose: src[(panel * width + j) * ld + p].
  void (*pack_transposed)(const float* src, int64_t ld, int64_t k, int64_t cols, int width, float* dst,
                          int64_t panel_stride);

  // Adds the bias (or none), copies to `before` (or not), applies the activation (an Activation's number).
  void (*finish)(float* c, int64_t ldc, int64_t rows, int64_t cols, const float* bias, int activation, float* before);
};

extern const GemmIsa gemm_portable;
#if defined(__x86_64__)
extern const GemmIsa gemm_avx2, gemm_avx512;
#elif defined(__aarch64__)
extern const GemmIsa gemm_neon;
#endif

}  // namespace ztt

#if defined(__AVX512F__)
#include <immintrin.h>

#include "gemm_isa.h"
#include "gemm_kernels.h"

namespace ztt {
namespace {

struct Avx512 {
  using T = __m512;
  static constexpr int lanes = 16;
  static constexpr TileShape wide{8, 3}, narrow{6, 4}, few{2, 12};

  static __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static T zero() { return _mm512_setzero_ps(); }
  static T set(float x) { return _mm512_set1_ps(x); }
  static T broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static T load(const float* p) { return _mm512_loadu_ps(p); }
  static T load_part(const float* p, int n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static void store(float* p, T x) { _mm512_storeu_ps(p, x); }
  static void store_part(float* p, T x, int n) { _mm512_mask_storeu_ps(p, mask(n), x); }
  static T add(T a, T b) { return _mm512_add_ps(a, b); }
  static T sub(T a, T b) { return _mm512_sub_ps(a, b); }
  static T mul(T a, T b) { return _mm512_mul_ps(a, b); }
  static T div(T a, T b) { return _mm512_div_ps(a, b); }
  static T min(T a, T b) { return _mm512_min_ps(a, b); }
  static T max(T a, T b) { return _mm512_max_ps(a, b); }
  static T multiply_add(T a, T b, T c) { return _mm512_fmadd_ps(a, b, c); }
  static T round(T x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static T times_power_of_two(T x, T n) { return _mm512_scalef_ps(x, n); }

  // dst[p * stride + i] = src[i * ld + p] for p < steps and i < n (zero from `rows` on).
  static void transpose(const float* src, int64_t ld, int rows, int steps, float* dst, int64_t stride, int n) {
    const __mmask16 in = mask(steps);
    T x[16], y[16];
    for (int i = 0; i < 16; i++) x[i] = i < rows ? _mm512_maskz_loadu_ps(in, src + i * ld) : zero();
    for (int i = 0; i < 16; i += 2) {
      y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
      y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      x[i] = _mm512_shuffle_ps(y[i], y[i + 2], 0x44);
      x[i + 1] = _mm512_shuffle_ps(y[i], y[i + 2], 0xee);
      x[i + 2] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0x44);
      x[i + 3] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
      y[i] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88);
      y[i + 4] = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
      y[i + 8] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
      y[i + 12] = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
      x[i] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0x88);
      x[i + 8] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0xdd);
    }
    if (n == 16) {
      for (int p = 0; p < 16; p++)
        if (p < steps) _mm512_storeu_ps(dst + p * stride, x[p]);
    } else if (n == 8) {
      for (int p = 0; p < 16; p++)
        if (p < steps) _mm256_storeu_ps(dst + p * stride, _mm512_castps512_ps256(x[p]));
    } else {
      const __mmask16 out = mask(n);
      for (int p = 0; p < 16; p++)
        if (p < steps) _mm512_mask_storeu_ps(dst + p * stride, out, x[p]);
    }
  }
};

}  // namespace

const GemmIsa gemm_avx512 = Kernels<Avx512>::isa();

}  // namespace ztt
#endif

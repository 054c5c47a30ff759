#if defined(__AVX2__)
#include <immintrin.h>

#include "gemm_isa.h"
#include "gemm_kernels.h"

namespace ztt {
namespace {

alignas(64) const int32_t masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

struct Avx2 {
  using T = __m256;
  static constexpr int lanes = 8;
  static constexpr TileShape wide{6, 2}, narrow{6, 2}, few{2, 6};

  static __m256i mask(int n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(masks + 8 - n)); }
  static T zero() { return _mm256_setzero_ps(); }
  static T set(float x) { return _mm256_set1_ps(x); }
  static T broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static T load(const float* p) { return _mm256_loadu_ps(p); }
  static T load_part(const float* p, int n) { return _mm256_maskload_ps(p, mask(n)); }
  static void store(float* p, T x) { _mm256_storeu_ps(p, x); }
  static void store_part(float* p, T x, int n) { _mm256_maskstore_ps(p, mask(n), x); }
  static T add(T a, T b) { return _mm256_add_ps(a, b); }
  static T sub(T a, T b) { return _mm256_sub_ps(a, b); }
  static T mul(T a, T b) { return _mm256_mul_ps(a, b); }
  static T div(T a, T b) { return _mm256_div_ps(a, b); }
  static T min(T a, T b) { return _mm256_min_ps(a, b); }
  static T max(T a, T b) { return _mm256_max_ps(a, b); }
  static T multiply_add(T a, T b, T c) { return _mm256_fmadd_ps(a, b, c); }
  static T round(T x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static T times_power_of_two(T x, T n) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(exponent));
  }

  // dst[p * stride + i] = src[i * ld + p] for p < steps and i < n (zero from `rows` on).
  static void transpose(const float* src, int64_t ld, int rows, int steps, float* dst, int64_t stride, int n) {
    T x[8], y[8];
    for (int i = 0; i < 8; i++) {
      x[i] = i >= rows ? zero() : steps == 8 ? load(src + i * ld) : load_part(src + i * ld, steps);
    }
    for (int i = 0; i < 8; i += 2) {
      y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
      y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
      x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
      x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
      x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
      y[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
      y[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
    }
    for (int p = 0; p < 8; p++) {
      if (p >= steps) continue;
      float* to = dst + p * stride;
      if (n == 8) {
        store(to, y[p]);
      } else if (n == 6) {  // the usual strip of A; masked stores are slow on some CPUs
        _mm_storeu_ps(to, _mm256_castps256_ps128(y[p]));
        _mm_storel_pi(reinterpret_cast<__m64*>(to + 4), _mm256_extractf128_ps(y[p], 1));
      } else {
        store_part(to, y[p], n);
      }
    }
  }
};

}  // namespace

const GemmIsa gemm_avx2 = Kernels<Avx2>::isa();

}  // namespace ztt
#endif

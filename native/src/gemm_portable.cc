// For any CPU: four lanes of the compiler's own vectors, a product and a sum where the others fuse them.
#include "gemm_isa.h"
#include "gemm_kernels.h"

namespace ztt {
namespace {

struct Portable {
  typedef float T __attribute__((vector_size(16)));
  typedef int32_t Int __attribute__((vector_size(16)));
  static constexpr int lanes = 4;
  static constexpr TileShape wide{4, 2}, narrow{4, 2}, few{2, 6};

  static T zero() { return T{0, 0, 0, 0}; }
  static T set(float x) { return T{x, x, x, x}; }
  static T broadcast(const float* p) { return set(*p); }
  static T load(const float* p) {
    T x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  static T load_part(const float* p, int n) {
    T x = zero();
    for (int i = 0; i < n; i++) x[i] = p[i];
    return x;
  }
  static void store(float* p, T x) { __builtin_memcpy(p, &x, sizeof x); }
  static void store_part(float* p, T x, int n) {
    for (int i = 0; i < n; i++) p[i] = x[i];
  }
  static T add(T a, T b) { return a + b; }
  static T sub(T a, T b) { return a - b; }
  static T mul(T a, T b) { return a * b; }
  static T div(T a, T b) { return a / b; }
  // b where either is NaN, as on x86.
  static T min(T a, T b) { return a < b ? a : b; }
  static T max(T a, T b) { return a > b ? a : b; }
  static T multiply_add(T a, T b, T c) { return a * b + c; }
  static T round(T x) { return (x + 12582912.0f) - 12582912.0f; }  // 1.5 * 2^23: no room for a fraction
  static T times_power_of_two(T x, T n) {
    const Int exponent = (__builtin_convertvector(n, Int) + 127) << 23;
    T power;
    __builtin_memcpy(&power, &exponent, sizeof power);
    return x * power;
  }

  // dst[p * stride + i] = src[i * ld + p] for p < steps and i < n (zero from `rows` on).
  static void transpose(const float* src, int64_t ld, int rows, int steps, float* dst, int64_t stride, int n) {
    for (int p = 0; p < steps; p++) {
      for (int i = 0; i < n; i++) dst[p * stride + i] = i < rows ? src[i * ld + p] : 0;
    }
  }
};

}  // namespace

const GemmIsa gemm_portable = Kernels<Portable>::isa();

}  // namespace ztt

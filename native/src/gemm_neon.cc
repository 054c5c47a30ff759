#if defined(__aarch64__)
#include <arm_neon.h>

#include "gemm_isa.h"
#include "gemm_kernels.h"

namespace ztt {
namespace {

struct Neon {
  using T = float32x4_t;
  static constexpr int lanes = 4;
  static constexpr TileShape wide{8, 3}, narrow{8, 2}, few{2, 12};

  static T zero() { return vdupq_n_f32(0); }
  static T set(float x) { return vdupq_n_f32(x); }
  static T broadcast(const float* p) { return vld1q_dup_f32(p); }
  static T load(const float* p) { return vld1q_f32(p); }
  static T load_part(const float* p, int n) {
    float x[4] = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) x[i] = p[i];
    return vld1q_f32(x);
  }
  static void store(float* p, T x) { vst1q_f32(p, x); }
  static void store_part(float* p, T x, int n) {
    float y[4];
    vst1q_f32(y, x);
    for (int i = 0; i < n; i++) p[i] = y[i];
  }
  static T add(T a, T b) { return vaddq_f32(a, b); }
  static T sub(T a, T b) { return vsubq_f32(a, b); }
  static T mul(T a, T b) { return vmulq_f32(a, b); }
  static T div(T a, T b) { return vdivq_f32(a, b); }
  static T min(T a, T b) { return vminq_f32(a, b); }
  static T max(T a, T b) { return vmaxq_f32(a, b); }
  static T multiply_add(T a, T b, T c) { return vfmaq_f32(c, a, b); }
  static T round(T x) { return vrndnq_f32(x); }
  static T times_power_of_two(T x, T n) {
    const int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
    return vmulq_f32(x, vreinterpretq_f32_s32(exponent));
  }

  // dst[p * stride + i] = src[i * ld + p] for p < steps and i < n (zero from `rows` on).
  static void transpose(const float* src, int64_t ld, int rows, int steps, float* dst, int64_t stride, int n) {
    T x[4];
    for (int i = 0; i < 4; i++) {
      x[i] = i >= rows ? zero() : steps == 4 ? load(src + i * ld) : load_part(src + i * ld, steps);
    }
    const float32x4x2_t low = vtrnq_f32(x[0], x[1]), high = vtrnq_f32(x[2], x[3]);
    const T y[4] = {vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])),
                    vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])),
                    vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])),
                    vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]))};
    for (int p = 0; p < steps; p++) {
      if (n == 4) store(dst + p * stride, y[p]);
      else store_part(dst + p * stride, y[p], n);
    }
  }
};

}  // namespace

const GemmIsa gemm_neon = Kernels<Neon>::isa();

}  // namespace ztt
#endif

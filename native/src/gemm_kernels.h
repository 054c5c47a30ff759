// The kernels of gemm_isa.h, written once over a vector type V that each instruction set defines. V lives in the
// anonymous namespace of its file, so that every instance has internal linkage and no instruction leaks out.
//
// Every sum is one chain of fused (where there is such) multiply-adds in the order of k, whatever the tile: an element
// of C has the same bits in any tile, at any place.
#pragma once
#include <cstdint>

#include "gemm_isa.h"

namespace ztt {

template <class V>
struct Kernels {
  using T = typename V::T;
  static constexpr int L = V::lanes;

  // ROWWISE: a's rows are contiguous (a_step is 1), else its k steps are (a_row is 1).
  template <int H, int NV, bool ROWWISE>
  static void micro(const Tile& t) {
    T sum[H][NV];
#pragma GCC unroll 16
    for (int i = 0; i < H; i++)
#pragma GCC unroll 12
      for (int j = 0; j < NV; j++) sum[i][j] = V::zero();

    // Three rows share a base: the other two are reached by the scaled index of an address.
    constexpr int kBases = ROWWISE ? (H + 2) / 3 : 1;
    const float* a[kBases];
    for (int i = 0; i < kBases; i++) a[i] = t.a + 3 * i * t.a_row;
    const int64_t a_row = t.a_row, a_step = ROWWISE ? 1 : t.a_step, ldb = t.ldb;
    const float* b = t.b;

    // C is fetched into the cache some steps before it is needed.
    constexpr int64_t kAhead = 40;
    for (int64_t left = t.k; left > 0;) {
      const int64_t steps = left > kAhead ? left - kAhead : left;
      left -= steps;
      for (int64_t p = 0; p < steps; p++) {
        for (int j = 0; j < NV; j++) __builtin_prefetch(b + 8 * ldb + j * L);
        if constexpr (H <= V::few.rows) {
          T av[H];
          for (int i = 0; i < H; i++) av[i] = V::broadcast(ROWWISE ? a[i / 3] + (i % 3) * a_row : a[0] + i);
          for (int j = 0; j < NV; j++) {
            const T bv = V::load(b + j * L);
            for (int i = 0; i < H; i++) sum[i][j] = V::multiply_add(av[i], bv, sum[i][j]);
          }
        } else {
          T bv[NV];
          for (int j = 0; j < NV; j++) bv[j] = V::load(b + j * L);
          for (int i = 0; i < H; i++) {
            const T av = V::broadcast(ROWWISE ? a[i / 3] + (i % 3) * a_row : a[0] + i);
            for (int j = 0; j < NV; j++) sum[i][j] = V::multiply_add(av, bv[j], sum[i][j]);
          }
        }
        for (int i = 0; i < kBases; i++) a[i] += a_step;
        b += ldb;
      }
      if (left > 0) {
        for (int i = 0; i < H; i++)
          for (int j = 0; j < NV * L; j += 16) __builtin_prefetch(t.c + i * t.ldc + j, 1);
      }
    }

    // Unrolled, or the sums would go by way of memory.
    const int last = t.cols - (NV - 1) * L;  // lanes of the last vector that are C's
#pragma GCC unroll 16
    for (int i = 0; i < H; i++) {
      float* c = t.c + i * t.ldc;
#pragma GCC unroll 12
      for (int j = 0; j < NV; j++, c += L) {
        const int lanes = j + 1 < NV ? L : last;
        if (lanes == L) {
          V::store(c, t.accumulate ? V::add(V::load(c), sum[i][j]) : sum[i][j]);
        } else {
          V::store_part(c, t.accumulate ? V::add(V::load_part(c, lanes), sum[i][j]) : sum[i][j], lanes);
        }
      }
    }
  }

  using Micro = void (*)(const Tile&);
  static constexpr int kMostRows = V::wide.rows > V::narrow.rows ? V::wide.rows : V::narrow.rows;
  static constexpr int kMostVectors = V::few.vectors;
  static constexpr bool fits(TileShape shape, int rows, int vectors) {
    return rows <= shape.rows && vectors <= shape.vectors;
  }

  template <int H, int NV>
  static constexpr Micro pick(bool rowwise) {
    if constexpr (fits(V::wide, H, NV) || fits(V::narrow, H, NV) || fits(V::few, H, NV)) {
      return rowwise ? &micro<H, NV, true> : &micro<H, NV, false>;
    } else {
      return nullptr;
    }
  }

  struct Table {
    Micro entry[2][kMostRows + 1][kMostVectors + 1] = {};
    template <int H, int NV>
    constexpr void fill() {
      entry[0][H][NV] = pick<H, NV>(false);
      entry[1][H][NV] = pick<H, NV>(true);
      if constexpr (NV > 1) fill<H, NV - 1>();
      else if constexpr (H > 1) fill<H - 1, kMostVectors>();
    }
    constexpr Table() { fill<kMostRows, kMostVectors>(); }
  };

  static void tile(const Tile& t) {
    static constexpr Table table;
    table.entry[t.a_step == 1 && t.a_row != 1][t.rows][(t.cols + L - 1) / L](t);
  }

  static void pack(const float* src, int64_t ld, int64_t k, int64_t cols, int width, float* dst,
                   int64_t panel_stride) {
    const int64_t whole = cols / width * width;
    for (int64_t p = 0; p < k; p++) {
      const float* from = src + p * ld;
      float* to = dst + p * width;
      for (int64_t j = 0; j < cols; j += 16) __builtin_prefetch(from + 8 * ld + j);  // rows may be pages apart
      if (width < L) {
        for (int64_t j = 0; j < whole; j += width, to += panel_stride) {
          V::store_part(to, V::load_part(from + j, width), width);
        }
      } else {
        for (int64_t j = 0; j < whole; j += width, to += panel_stride) pack_row(from + j, width, width, to);
      }
      if (whole < cols) pack_row(from + whole, static_cast<int>(cols - whole), width, to);
    }
  }

  static void pack_row(const float* from, int count, int width, float* to) {
    int i = 0;
    for (; i + L <= count; i += L) V::store(to + i, V::load(from + i));
    if (i == count) return;
    const T rest = V::load_part(from + i, count - i);
    if (i + L <= width) V::store(to + i, rest);
    else V::store_part(to + i, rest, width - i);
  }

  static void pack_transposed(const float* src, int64_t ld, int64_t k, int64_t cols, int width, float* dst,
                              int64_t panel_stride) {
    for (int64_t j = 0; j < cols; j += width, dst += panel_stride) {
      const int64_t count = cols - j < width ? cols - j : width;
      for (int64_t i = 0; i < count; i += L) {
        const int rows = static_cast<int>(count - i < L ? count - i : L);
        const int lanes = static_cast<int>(width - i < L ? width - i : L);
        const float* from = src + (j + i) * ld;
        for (int64_t p = 0; p < k; p += L) {
          for (int r = 0; r < rows; r++) __builtin_prefetch(from + (r + L) * ld + p, 0, 2);  // the next rows
          V::transpose(from + p, ld, rows, static_cast<int>(k - p < L ? k - p : L), dst + p * width + i, width, lanes);
        }
      }
    }
  }

  // e^x to about 1 unit in the last place, x held to where it is a normal number.
  static T exp(T x) {
    x = V::min(V::max(x, V::set(-87.3f)), V::set(88.3f));
    const T n = V::round(V::mul(x, V::set(1.44269504f)));
    T r = V::multiply_add(n, V::set(-0.693359375f), x);
    r = V::multiply_add(n, V::set(2.12194440e-4f), r);
    T y = V::set(1.9875691500e-4f);
    constexpr float c[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    for (int i = 0; i < 5; i++) y = V::multiply_add(y, r, V::set(c[i]));
    y = V::add(V::multiply_add(y, V::mul(r, r), r), V::set(1.0f));
    return V::times_power_of_two(y, n);
  }

  // The rational approximation of erf on [-4, 4], outside which it is 1 in single precision.
  static T erf(T x) {
    x = V::min(V::max(x, V::set(-4.0f)), V::set(4.0f));
    const T s = V::mul(x, x);
    T p = V::set(-2.72614225801306e-10f);
    constexpr float above[] = {2.77068142495902e-08f,  -2.10102402082508e-06f, -5.69250639462346e-05f,
                               -7.34990630326855e-04f, -2.95459980854025e-03f, -1.60960333262415e-02f};
    for (int i = 0; i < 6; i++) p = V::multiply_add(p, s, V::set(above[i]));
    T q = V::set(-1.45660718464996e-05f);
    constexpr float below[] = {-2.13374055278905e-04f, -1.68282697438203e-03f, -7.37332916720468e-03f,
                               -1.42647390514189e-02f};
    for (int i = 0; i < 4; i++) q = V::multiply_add(q, s, V::set(below[i]));
    return V::div(V::mul(x, p), q);
  }

  static T sigmoid_times(T x, T u) {  // x sigmoid(u)
    return V::div(x, V::add(V::set(1.0f), exp(V::sub(V::zero(), u))));
  }

  static T activate(int activation, T x) {
    switch (activation) {
      case 1:
        return sigmoid_times(
            x, V::mul(x, V::multiply_add(V::mul(x, x), V::set(0.0713548162726f), V::set(1.5957691216057308f))));
      case 2:
        return V::mul(V::mul(x, V::set(0.5f)), V::add(V::set(1.0f), erf(V::mul(x, V::set(0.70710678118f)))));
      case 3: return V::max(V::zero(), x);  // in this order NaN stays NaN
      case 4: return sigmoid_times(x, x);
      default: return x;
    }
  }

  static void finish(float* c, int64_t ldc, int64_t rows, int64_t cols, const float* bias, int activation,
                     float* before) {
    for (int64_t i = 0; i < rows; i++) {
      float* y = c + i * ldc;
      for (int64_t j = 0; j < cols; j += L) {
        const int lanes = static_cast<int>(cols - j < L ? cols - j : L);
        const bool whole = lanes == L;
        T x = whole ? V::load(y + j) : V::load_part(y + j, lanes);
        if (bias) x = V::add(x, whole ? V::load(bias + j) : V::load_part(bias + j, lanes));
        float* const kept = before ? before + i * ldc + j : nullptr;
        if (kept && whole) V::store(kept, x);
        else if (kept) V::store_part(kept, x, lanes);
        x = activate(activation, x);
        if (whole) V::store(y + j, x);
        else V::store_part(y + j, x, lanes);
      }
    }
  }

  static constexpr GemmIsa isa() { return {L, V::wide, V::narrow, V::few, tile, pack, pack_transposed, finish}; }
};

}  // namespace ztt

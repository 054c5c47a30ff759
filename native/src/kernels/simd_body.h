// Vectors of one instruction set. Included by each kernels_*.cc, inside its own namespace and nowhere else, after
// that file's intrinsics; everything here is local to the file, so that no instruction leaks into shared code.
//
// A tail shorter than a vector goes through the same operations on a padded copy: a value depends on its own
// inputs and its place in the row, never on where the row lies or what comes after it.

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef float vf_memory __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static inline vf load(const float* p) { return *reinterpret_cast<const vf_memory*>(p); }
static inline void store(float* p, vf x) { *reinterpret_cast<vf_memory*>(p) = x; }

static inline vf load_part(const float* p, int64_t n, float rest) {
  float lanes[LANES];
  for (int i = 0; i < LANES; i++) lanes[i] = i < n ? p[i] : rest;
  return load(lanes);
}

static inline void store_part(float* p, vf x, int64_t n) {
  float lanes[LANES];
  store(lanes, x);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
}

static inline vf splat(float x) { return x - vf{}; }

#if defined(__AVX512F__)
static inline vf fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline vf root(vf x) { return (vf)_mm512_maskz_sqrt_ps(0xffff, (__m512)x); }
#elif defined(__AVX2__)
static inline vf fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
static inline vf root(vf x) { return (vf)_mm256_sqrt_ps((__m256)x); }
#elif defined(__aarch64__)
static inline vf fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
static inline vf root(vf x) { return (vf)vsqrtq_f32((float32x4_t)x); }
#else
static inline vf fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf root(vf x) {
  vf y = x;
  for (int i = 0; i < LANES; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
}
#endif

// NaN passes through both: comparisons with it are false.
static inline vf at_least(vf x, float low) { return x < splat(low) ? splat(low) : x; }
static inline vf at_most(vf x, float high) { return x > splat(high) ? splat(high) : x; }
static inline vf larger(vf a, vf b) { return a > b ? a : b; }
static inline vf absolute(vf x) { return (vf)((vi)x & (int32_t)0x7fffffff); }

static inline float sum_lanes(vf x) {
  float lanes[LANES];
  store(lanes, x);
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

static inline float max_lanes(vf x) {
  float lanes[LANES];
  store(lanes, x);
  float most = lanes[0];
  for (int i = 1; i < LANES; i++) most = lanes[i] > most ? lanes[i] : most;
  return most;
}

// e^x to about 1 ulp; exactly 0 below -86.5, so that nothing is denormal and what is masked is nothing at all.
static inline vf exponential(vf x) {
  const vf clamped = at_most(at_least(x, -86.5f), 89.0f);
  const vf shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const vf shifted = fma(clamped, splat(1.44269504088896341f), shift);
  const vf whole = shifted - shift;
  vf r = fma(whole, splat(-0.693359375f), clamped);
  r = fma(whole, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + 1.0f);
  // 2^(whole - 1), twice: 2^128 itself is no float.
  const vi power = ((vi)shifted - (vi)shift + 126) << 23;
  const vf half = p * (vf)power;
  return x < splat(-86.5f) ? vf{} : half + half;
}

static inline vf sigmoid(vf x) { return 1.0f / (1.0f + exponential(-x)); }

static inline vf hyperbolic_tangent(vf x) {
  const vf far = 1.0f - 2.0f / (exponential(x + x) + 1.0f);
  const vf s = x * x;  // near 0 the difference above loses digits; the series does not
  vf p = splat(62.0f / 2835);
  p = fma(p, s, splat(-17.0f / 315));
  p = fma(p, s, splat(2.0f / 15));
  p = fma(p, s, splat(-1.0f / 3));
  return absolute(x) < splat(0.3f) ? fma(p * s, x, x) : far;
}

// Press et al., Numerical Recipes, erfcc: to 1.2e-7.
static inline vf error_function(vf x) {
  const vf size = absolute(x);
  const vf t = 1.0f / fma(size, splat(0.5f), splat(1.0f));
  vf p = splat(0.17087277f);
  p = fma(p, t, splat(-0.82215223f));
  p = fma(p, t, splat(1.48851587f));
  p = fma(p, t, splat(-1.13520398f));
  p = fma(p, t, splat(0.27886807f));
  p = fma(p, t, splat(-0.18628806f));
  p = fma(p, t, splat(0.09678418f));
  p = fma(p, t, splat(0.37409196f));
  p = fma(p, t, splat(1.00002368f));
  p = fma(p, t, splat(-1.26551223f));
  const vf complement = t * exponential(fma(-size, size, p));
  const vf y = 1.0f - complement;
  return x < vf{} ? -y : y;
}

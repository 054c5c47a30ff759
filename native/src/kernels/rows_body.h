// Kernels on rows: sums, softmax, layer norm, RMS norm, cross-entropy. Included by each kernels_*.cc; see simd_body.h.

static float sum(const float* x, int64_t n) {
  vf total[4] = {};
  int64_t j = 0;
  for (; j + 4 * LANES <= n; j += 4 * LANES) {
    for (int u = 0; u < 4; u++) total[u] += load(x + j + u * LANES);
  }
  // The tail's vectors go to the accumulators in turn, as if the row went on with zeros.
  for (int u = 0; j < n; u++, j += LANES) total[u] += n - j >= LANES ? load(x + j) : load_part(x + j, n - j, 0);
  return sum_lanes((total[0] + total[1]) + (total[2] + total[3]));
}

static double sum_squares(const float* x, int64_t n) {
  double total[8] = {};
  int64_t j = 0;
  for (; j + 8 <= n; j += 8) {
    for (int u = 0; u < 8; u++) total[u] += (double)x[j + u] * x[j + u];
  }
  for (int u = 0; j < n; u++, j++) total[u] += (double)x[j] * x[j];
  double all = 0;
  for (double part : total) all += part;
  return all;
}

static float max(const float* x, int64_t n) {
  vf most = splat(x[0]);
  vf nans = vf{};  // x - x is NaN for NaN and infinities; added up, it tells whether to look closer
  FOR_VECTORS(n, const vf v = load(x + i); most = larger(v, most); nans += v - v,
              const vf v = load_part(x + i, rest, x[0]); most = larger(v, most); nans += v - v);
  if (sum_lanes(nans) != 0.0f) {
    for (int64_t i = 0; i < n; i++) {
      if (x[i] != x[i]) return x[i];
    }
  }
  return max_lanes(most);
}

// y = e^(x scale - offset); returns the sum.
static float exponentials(const float* x, float* y, float scale, float offset, int64_t n) {
  vf total = {};
  FOR_VECTORS(n, const vf e = exponential(fma(load(x + i), splat(scale), splat(-offset))); store(y + i, e); total += e,
              const vf e = exponential(fma(load_part(x + i, rest, 0), splat(scale), splat(-offset)));
              store_part(y + i, e, rest); total += load_part(y + i, rest, 0));
  return sum_lanes(total);
}

static float dot(const float* a, const float* b, int64_t n) {
  vf total = {};
  FOR_VECTORS(n, total = fma(load(a + i), load(b + i), total),
              total = fma(load_part(a + i, rest, 0), load_part(b + i, rest, 0), total));
  return sum_lanes(total);
}

static void scale_row(float* x, float factor, int64_t n) {
  FOR_VECTORS(n, store(x + i, load(x + i) * factor), store_part(x + i, load_part(x + i, rest, 0) * factor, rest));
}

static void softmax(const float* x, float* y, int64_t n) {
  const float total = exponentials(x, y, 1, max(x, n), n);
  scale_row(y, 1 / total, n);
}

static void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, float* y, float* stats,
                       int64_t n) {
  const float mean = sum(x, n) / (float)n;
  vf total = {};
  FOR_VECTORS(n, const vf d = load(x + i) - mean; total = fma(d, d, total),
              const vf d = load_part(x + i, rest, mean) - mean; total = fma(d, d, total));
  const float scale = 1 / __builtin_sqrtf(sum_lanes(total) / (float)n + epsilon);
  stats[0] = mean;
  stats[1] = scale;
  if (!weight) {
    FOR_VECTORS(n, store(y + i, (load(x + i) - mean) * scale),
                store_part(y + i, (load_part(x + i, rest, 0) - mean) * scale, rest));
    return;
  }
  FOR_VECTORS(n, store(y + i, fma((load(x + i) - mean) * scale, load(weight + i), load(bias + i))),
              store_part(y + i,
                         fma((load_part(x + i, rest, 0) - mean) * scale, load_part(weight + i, rest, 0),
                             load_part(bias + i, rest, 0)),
                         rest));
}

static void layer_norm_grad(const float* x, const float* stats, const float* weight, const float* dy, float* dx,
                            int64_t n) {
  const float mean = stats[0], scale = stats[1];
  vf plain = {}, along = {};
#define AT(p) load(p + i)
#define AT_PART(p) load_part(p + i, rest, 0)
#define GRAD(get) (weight ? get(dy) * get(weight) : get(dy))
#define NORMAL(get) ((get(x) - mean) * scale)
  FOR_VECTORS(n, const vf g = GRAD(AT); plain += g; along = fma(g, NORMAL(AT), along),
              const vf g = GRAD(AT_PART); plain += g; along = fma(g, NORMAL(AT_PART), along));
  const float plain_mean = sum_lanes(plain) / (float)n;
  const float along_mean = sum_lanes(along) / (float)n;
  FOR_VECTORS(n, store(dx + i, (GRAD(AT) - plain_mean - NORMAL(AT) * along_mean) * scale),
              store_part(dx + i, (GRAD(AT_PART) - plain_mean - NORMAL(AT_PART) * along_mean) * scale, rest));
#undef AT
#undef AT_PART
#undef GRAD
#undef NORMAL
}

static void rms_norm(const float* x, const float* weight, float offset, float epsilon, float* y, float* stats,
                     int64_t n) {
  const float scale = 1 / __builtin_sqrtf(dot(x, x, n) / (float)n + epsilon);
  stats[0] = scale;
  FOR_VECTORS(n, store(y + i, load(x + i) * scale * (load(weight + i) + offset)),
              store_part(y + i, load_part(x + i, rest, 0) * scale * (load_part(weight + i, rest, 0) + offset), rest));
}

static void rms_norm_grad(const float* x, float scale, const float* weight, float offset, const float* dy, float* dx,
                          int64_t n) {
  vf total = {};
#define AT(p) load(p + i)
#define AT_PART(p) load_part(p + i, rest, 0)
#define GRAD(get) (get(dy) * (get(weight) + offset))
  FOR_VECTORS(n, total = fma(GRAD(AT), AT(x) * scale, total), total = fma(GRAD(AT_PART), AT_PART(x) * scale, total));
  const float along = sum_lanes(total) / (float)n;
  FOR_VECTORS(n, store(dx + i, (GRAD(AT) - AT(x) * scale * along) * scale),
              store_part(dx + i, (GRAD(AT_PART) - AT_PART(x) * scale * along) * scale, rest));
#undef AT
#undef AT_PART
#undef GRAD
}

// Rows added up in one go; the sums of such blocks are added up after, which keeps rounding small.
static const int64_t kSumBlock = 64;

static void column_sums(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y) {
  for (int64_t c = 0; c < columns; c += LANES) {
    const int64_t n = columns - c < LANES ? columns - c : LANES;
    vf total = {};
    for (int64_t start = 0; start < rows; start += kSumBlock) {
      const int64_t end = start + kSumBlock < rows ? start + kSumBlock : rows;
      vf part = {};
      for (int64_t r = start; r < end; r++) {
        const float* p = x + r * stride + c;
        part += n == LANES ? load(p) : load_part(p, n, 0);
      }
      total += part;
    }
    store_part(y + c, total, n);
  }
}

static void layer_norm_sums(const float* x, const float* stats, const float* dy, int64_t rows, int64_t stride,
                            int64_t columns, float* weight, float* bias) {
  for (int64_t c = 0; c < columns; c += LANES) {
    const int64_t n = columns - c < LANES ? columns - c : LANES;
    vf total = {}, total_normal = {};
    for (int64_t start = 0; start < rows; start += kSumBlock) {
      const int64_t end = start + kSumBlock < rows ? start + kSumBlock : rows;
      vf part = {}, part_normal = {};
      for (int64_t r = start; r < end; r++) {
        const int64_t at = r * stride + c;
        const vf g = n == LANES ? load(dy + at) : load_part(dy + at, n, 0);
        const vf v = n == LANES ? load(x + at) : load_part(x + at, n, 0);
        part += g;
        part_normal = fma(g, (v - stats[2 * r]) * stats[2 * r + 1], part_normal);
      }
      total += part;
      total_normal += part_normal;
    }
    store_part(bias + c, total, n);
    store_part(weight + c, total_normal, n);
  }
}

static void rms_norm_sums(const float* x, const float* stats, const float* dy, int64_t rows, int64_t stride,
                          int64_t columns, float* weight) {
  for (int64_t c = 0; c < columns; c += LANES) {
    const int64_t n = columns - c < LANES ? columns - c : LANES;
    vf total = {};
    for (int64_t start = 0; start < rows; start += kSumBlock) {
      const int64_t end = start + kSumBlock < rows ? start + kSumBlock : rows;
      vf part = {};
      for (int64_t r = start; r < end; r++) {
        const int64_t at = r * stride + c;
        const vf g = n == LANES ? load(dy + at) : load_part(dy + at, n, 0);
        const vf v = n == LANES ? load(x + at) : load_part(x + at, n, 0);
        part = fma(g, v * stats[r], part);
      }
      total += part;
    }
    store_part(weight + c, total, n);
  }
}

// The sum of e^(x - offset).
static float sum_exponentials(const float* x, float offset, int64_t n) {
  vf total = {};
  FOR_VECTORS(n, total += exponential(load(x + i) - offset),
              const vf e = exponential(load_part(x + i, rest, 0) - offset);
              float lanes[LANES] = {}; store_part(lanes, e, rest); total += load(lanes));
  return sum_lanes(total);
}

static float cross_entropy(float* logits, int64_t n, int64_t target, const float* weight) {
  const float most = max(logits, n);
  const float wanted = logits[target] - most;
  const float total = exponentials(logits, logits, 1, most, n);
  if (weight) {
    scale_row(logits, *weight / total, n);
    logits[target] -= *weight;
  }
  return __builtin_logf(total) - wanted;
}

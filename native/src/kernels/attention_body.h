// What attention is made of, the zero logits, and the gradient of causal attention, of one head: in blocks of queries, so
// that no T x T matrix is kept. Included by each kernels_*.cc; see simd_body.h.
//
// Shapes: T tokens, d head size; p(x) is x rounded up to whole vectors. The zero token has a logit for each query, which
// sees it, and the zero vector as its value. Masked weights are exact zeros, so that a row's sums are the same
// bits whatever tokens follow it.

#if LANES == 8 || (LANES == 4 && !defined(__aarch64__))
#define TILE_VECTORS 2  // 16 registers
#else
#define TILE_VECTORS 4  // 32 registers
#endif
#define TILE_ROWS 6

static const int64_t kQueryBlock = 48;

static inline int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

// C [M, N vectors] = A B (+ C if add), where A's element (r, p) is at a[r * a_row + p * a_column].
template <int M, int N>
static inline void tile(int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t b_row,
                        float* c, int64_t c_row, bool add) {
  vf sums[M][N];
#pragma GCC unroll 8
  for (int r = 0; r < M; r++) {
#pragma GCC unroll 8
    for (int v = 0; v < N; v++) sums[r][v] = add ? load(c + r * c_row + v * LANES) : vf{};
  }
  for (int64_t p = 0; p < k; p++) {
    vf row[N];
#pragma GCC unroll 8
    for (int v = 0; v < N; v++) row[v] = load(b + p * b_row + v * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < M; r++) {
      const vf factor = splat(a[r * a_row + p * a_column]);
#pragma GCC unroll 8
      for (int v = 0; v < N; v++) sums[r][v] = fma(factor, row[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < M; r++) {
#pragma GCC unroll 8
    for (int v = 0; v < N; v++) store(c + r * c_row + v * LANES, sums[r][v]);
  }
}

template <int N>
static void panel(int64_t m, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t b_row,
                  float* c, int64_t c_row, bool add) {
  for (; m >= TILE_ROWS; m -= TILE_ROWS, a += TILE_ROWS * a_row, c += TILE_ROWS * c_row) {
    tile<TILE_ROWS, N>(k, a, a_row, a_column, b, b_row, c, c_row, add);
  }
  switch (m) {
    case 5: return tile<5, N>(k, a, a_row, a_column, b, b_row, c, c_row, add);
    case 4: return tile<4, N>(k, a, a_row, a_column, b, b_row, c, c_row, add);
    case 3: return tile<3, N>(k, a, a_row, a_column, b, b_row, c, c_row, add);
    case 2: return tile<2, N>(k, a, a_row, a_column, b, b_row, c, c_row, add);
    case 1: return tile<1, N>(k, a, a_row, a_column, b, b_row, c, c_row, add);
    default: return;
  }
}

// C [m, n] = A B (+ C if add); n is a whole number of vectors.
static void product(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b,
                    int64_t b_row, float* c, int64_t c_row, bool add) {
  int64_t j = 0;
  for (; j + TILE_VECTORS * LANES <= n; j += TILE_VECTORS * LANES) {
    panel<TILE_VECTORS>(m, k, a, a_row, a_column, b + j, b_row, c + j, c_row, add);
  }
  for (; j < n; j += LANES) panel<1>(m, k, a, a_row, a_column, b + j, b_row, c + j, c_row, add);
}

// y += factor x
static void add_scaled(float factor, const float* x, float* y, int64_t n) {
  FOR_VECTORS(n, store(y + i, fma(load(x + i), splat(factor), load(y + i))),
              store_part(y + i, fma(load_part(x + i, rest, 0), splat(factor), load_part(y + i, rest, 0)), rest));
}

static void clear(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) x[i] = 0;
}

// x [T, d] to columns `at` to `at + T` of its transpose [d, wide].
static void pack_columns_at(const float* x, int64_t stride, int64_t tokens, int64_t size, float* y, int64_t wide,
                            int64_t at) {
  for (int64_t block = 0; block < tokens; block += LANES) {
    const int64_t end = block + LANES < tokens ? block + LANES : tokens;
    for (int64_t c = 0; c < size; c++) {
      float* to = y + c * wide + at;
      for (int64_t t = block; t < end; t++) to[t] = x[t * stride + c];
    }
  }
}

// x [T, d] to its transpose [d, p(T)]
static void pack_columns(const float* x, int64_t stride, int64_t tokens, int64_t size, float* y) {
  const int64_t wide = padded(tokens);
  pack_columns_at(x, stride, tokens, size, y, wide, 0);
  for (int64_t c = 0; c < size; c++) clear(y + c * wide + tokens, wide - tokens);
}

// x [T, d] to [T, p(d)]
static void pack_rows(const float* x, int64_t stride, int64_t tokens, int64_t size, float* y) {
  const int64_t width = padded(size);
  for (int64_t t = 0; t < tokens; t++) {
    for (int64_t c = 0; c < size; c++) y[t * width + c] = x[t * stride + c];
    for (int64_t c = size; c < width; c++) y[t * width + c] = 0;
  }
}

static void zero_logits(const ZeroLogitsHead& h) {
  for (int64_t t = 0; t < h.tokens; t++) {
    h.logits[t * h.logit_stride] = dot(h.q + t * h.stride, h.zero, h.size) * h.scale;
  }
}

static void zero_logits_grad(const ZeroLogitsHead& h, float* q_grad, float* zero_grad) {
  clear(zero_grad, h.size);
  for (int64_t t = 0; t < h.tokens; t++) {
    const float slope = h.logits[t * h.logit_stride] * h.scale;
    add_scaled(slope, h.q + t * h.stride, zero_grad, h.size);
    add_scaled(slope, h.zero, q_grad + t * h.stride, h.size);
  }
}

static int64_t attention_grad_scratch(int64_t tokens, int64_t size) {
  const int64_t columns = size * padded(tokens), rows = tokens * padded(size);
  return 2 * columns + 5 * rows + kQueryBlock * (2 * padded(tokens) + padded(size));
}

// The weights are made again from the logits and their log-sum. With D = out . out_grad of a row, a logit's gradient
// is weight (out_grad . value - D), and the zero token's, whose value is zero, -weight D. Heads that share keys and
// values go one after the other, and add to the same gradients of these.
static void attention_grad(const AttentionGroup& h, float* scratch) {
  const int64_t T = h.tokens, d = h.size, wide = padded(T), deep = padded(d);
  float* key_columns = scratch;                    // [d, p(T)]
  float* value_columns = key_columns + d * wide;   // [d, p(T)]
  float* keys = value_columns + d * wide;          // [T, p(d)], and the next four
  float* queries = keys + T * deep;
  float* out_grad = queries + T * deep;
  float* k_grad = out_grad + T * deep;
  float* v_grad = k_grad + T * deep;
  float* weights = v_grad + T * deep;              // [block, p(T)]
  float* slopes = weights + kQueryBlock * wide;    // [block, p(T)]
  float* q_grad = slopes + kQueryBlock * wide;     // [block, p(d)]
  pack_columns(h.k, h.kv_stride, T, d, key_columns);
  pack_columns(h.v, h.kv_stride, T, d, value_columns);
  pack_rows(h.k, h.kv_stride, T, d, keys);
  clear(k_grad, 2 * T * deep);
  for (int64_t head = 0; head < h.group; head++) {
    const float* out = h.out + head * d;
    const float* lse = h.lse + head * T;
    const float* zero_logits = h.zero_logits ? h.zero_logits + head * T : nullptr;
    pack_rows(h.q + head * d, h.q_stride, T, d, queries);
    pack_rows(h.out_grad + head * d, h.out_stride, T, d, out_grad);
    for (int64_t start = 0; start < T; start += kQueryBlock) {
      const int64_t end = start + kQueryBlock < T ? start + kQueryBlock : T;
      const int64_t rows = end - start;
      const float* q = queries + start * deep;
      const float* dy = out_grad + start * deep;
      product(rows, padded(end), d, q, deep, 1, key_columns, wide, weights, wide, false);
      product(rows, padded(end), d, dy, deep, 1, value_columns, wide, slopes, wide, false);
      for (int64_t r = 0; r < rows; r++) {
        const int64_t t = start + r, first = t + 1 > h.window ? t + 1 - h.window : 0, n = t + 1 - first;
        float* weight = weights + r * wide;
        float* slope_row = slopes + r * wide;
        const float along = dot(out + t * h.out_stride, dy + r * deep, d);
        clear(weight, first);
        clear(slope_row, first);
        clear(weight + t + 1, end - t - 1);
        clear(slope_row + t + 1, end - t - 1);
        weight += first;
        slope_row += first;
        exponentials(weight, weight, h.scale, lse[t], n);
        FOR_VECTORS(n, store(slope_row + i, load(weight + i) * (load(slope_row + i) - along) * h.scale),
                    store_part(slope_row + i,
                               load_part(weight + i, rest, 0) * (load_part(slope_row + i, rest, 0) - along) * h.scale,
                               rest));
        if (zero_logits) h.zero_grad[head * T + t] = -exponential(splat(zero_logits[t] - lse[t]))[0] * along;
      }
      product(end, deep, rows, weights, 1, wide, dy, deep, v_grad, deep, true);
      product(end, deep, rows, slopes, 1, wide, q, deep, k_grad, deep, true);
      product(rows, deep, end, slopes, wide, 1, keys, deep, q_grad, deep, false);
      for (int64_t r = 0; r < rows; r++) {
        float* to = h.q_grad + head * d + (start + r) * h.q_stride;
        for (int64_t c = 0; c < d; c++) to[c] = q_grad[r * deep + c];
      }
    }
  }
  for (int64_t t = 0; t < T; t++) {
    for (int64_t c = 0; c < d; c++) {
      h.k_grad[t * h.kv_stride + c] = k_grad[t * deep + c];
      h.v_grad[t * h.kv_stride + c] = v_grad[t * deep + c];
    }
  }
}

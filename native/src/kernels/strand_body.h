// Attention of one head over one strand, and so over a sequence, which is a strand of all its tokens: each query sees the first so many of the strand's keys, which lie in ranges of
// rows anywhere. Included by each kernels_*.cc, after attention_body.h, whose words it uses.
//
// A query's result is the same bits whatever other queries there are, and however its keys are cut into ranges.

// Queries from which on values are worth packing: fewer read them where they lie.
static const int64_t kPackedValues = 8;

// The strand's keys, as [d, p(keys)].
static void pack_key_ranges(const StrandHead& h, float* keys) {
  const int64_t wide = padded(h.keys);
  int64_t at = 0;
  for (int64_t r = 0; r < h.range_count; r++) {
    const int64_t count = h.ranges[2 * r + 1];
    pack_columns_at(h.k + h.ranges[2 * r] * h.k_stride, h.k_stride, count, h.size, keys, wide, at);
    at += count;
  }
  for (int64_t c = 0; c < h.size; c++) clear(keys + c * wide + at, wide - at);
}

// A query sees the keys from the first of its window to the last that it may see at all.
static inline int64_t seen_by(const StrandHead& h, int64_t query) { return h.seen ? h.seen[query] : query + 1; }

// How many keys some of the queries see, the one that sees most.
static int64_t most_seen(const StrandHead& h, int64_t start, int64_t rows) {
  int64_t most = 0;
  for (int64_t r = start; r < start + rows; r++) most = seen_by(h, r) > most ? seen_by(h, r) : most;
  return most;
}

// Weights of queries `start` to `start + rows`, as exponentials, in `weights` [rows, at a distance of `stride`]; those of
// `clean` keys and more are not set.
static void strand_weight_block(const StrandHead& h, int64_t start, int64_t rows, const float* keys, float* weights,
                                int64_t stride, int64_t clean) {
  const int64_t d = h.size, columns = padded(most_seen(h, start, rows));
  product(rows, columns, d, h.q + start * h.q_stride, h.q_stride, 1, keys, padded(h.keys), weights, stride, false);
  for (int64_t r = 0; r < rows; r++) {
    const int64_t i = start + r, seen = seen_by(h, i);
    const int64_t first = seen > h.window ? seen - h.window : 0;
    clear(weights + r * stride, first);
    clear(weights + r * stride + seen, clean - seen);
    float* row = weights + r * stride + first;
    const float zero = h.zero_logits ? h.zero_logits[i * h.inverse_stride] : 0;
    float most = h.scale * max(row, seen - first);
    if (h.zero_logits && zero > most) most = zero;
    float total = exponentials(row, row, h.scale, most, seen - first);
    // One lane of the same exponential as the others'.
    const float at_zero = h.zero_logits ? exponential(splat(zero - most))[0] : 0;
    total += at_zero;
    h.inverse[i * h.inverse_stride] = 1 / total;
    if (h.lse) h.lse[i] = most + __builtin_logf(total);
    if (h.zero_part) h.zero_part[i * h.inverse_stride] = at_zero / total;
  }
}

// The values of a block of queries, from their weights; `values` is packed, or null to read them where they lie.
static void strand_value_block(const StrandHead& h, int64_t start, int64_t rows, const float* values,
                               const float* weights, int64_t stride, float* mixed) {
  const int64_t d = h.size, deep = padded(d), end = most_seen(h, start, rows);
  if (values) {
    product(rows, deep, end, weights, stride, 1, values, deep, mixed, deep, false);
  } else {
    int64_t at = 0;
    for (int64_t r = 0; r < h.range_count && at < end; r++) {
      const float* from = h.v + h.ranges[2 * r] * h.v_stride;
      const int64_t count = h.ranges[2 * r + 1] < end - at ? h.ranges[2 * r + 1] : end - at;
      product(rows, deep, count, weights + at, stride, 1, from, h.v_stride, mixed, deep, at > 0);
      at += count;
    }
  }
  for (int64_t r = 0; r < rows; r++) {
    float* out = h.out + (start + r) * h.out_stride;
    const float inverse = h.inverse[(start + r) * h.inverse_stride];
    for (int64_t c = 0; c < d; c++) out[c] = mixed[r * deep + c] * inverse;
  }
}

// The strand's values as [keys, p(d)], or null where they can be read where they lie.
static const float* pack_value_ranges(const StrandHead& h, float* to) {
  if (h.queries < kPackedValues && h.size % LANES == 0) return nullptr;
  int64_t at = 0;
  for (int64_t r = 0; r < h.range_count; r++) {
    const int64_t count = h.ranges[2 * r + 1];
    pack_rows(h.v + h.ranges[2 * r] * h.v_stride, h.v_stride, count, h.size, to + at * padded(h.size));
    at += count;
  }
  return to;
}

static int64_t strand_scratch(int64_t keys, int64_t size) {
  return size * padded(keys) + keys * padded(size) + kQueryBlock * (padded(keys) + padded(size));
}

static void strand_attention(const StrandHead& h, float* scratch) {
  const int64_t wide = padded(h.keys), deep = padded(h.size);
  float* keys = scratch;                         // [d, p(keys)]
  float* packed = keys + h.size * wide;          // [keys, p(d)]
  float* weights = packed + h.keys * deep;       // [block, p(keys)]
  float* mixed = weights + kQueryBlock * wide;   // [block, p(d)]
  pack_key_ranges(h, keys);
  const float* values = pack_value_ranges(h, packed);
  for (int64_t start = 0; start < h.queries; start += kQueryBlock) {
    const int64_t rows = start + kQueryBlock < h.queries ? kQueryBlock : h.queries - start;
    strand_weight_block(h, start, rows, keys, weights, wide, most_seen(h, start, rows));
    strand_value_block(h, start, rows, values, weights, wide, mixed);
  }
}

static void strand_weights(const StrandHead& h, float* keys) {
  pack_key_ranges(h, keys);
  for (int64_t start = 0; start < h.queries; start += kQueryBlock) {
    const int64_t rows = start + kQueryBlock < h.queries ? kQueryBlock : h.queries - start;
    // Runs of queries that are kept read a row as far as the last of them sees.
    strand_weight_block(h, start, rows, keys, h.weights + start * h.weights_stride, h.weights_stride, padded(h.keys));
  }
}

static void strand_values(const StrandHead& h, float* scratch) {
  float* packed = scratch;
  float* mixed = packed + h.keys * padded(h.size);
  const float* values = pack_value_ranges(h, packed);
  for (int64_t start = 0; start < h.queries; start += kQueryBlock) {
    const int64_t rows = start + kQueryBlock < h.queries ? kQueryBlock : h.queries - start;
    strand_value_block(h, start, rows, values, h.weights + start * h.weights_stride, h.weights_stride, mixed);
  }
}

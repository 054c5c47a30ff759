// Attention over strands, for JavaScript.
#include "call.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

// The elements of `rows` rows of `width`, `stride` apart.
int64_t reach(int64_t rows, int64_t stride, int64_t width) { return rows == 0 ? 0 : times(rows - 1, stride) + width; }

// Every strand's ranges lie within `rows`, and its queries see some of its keys, and no more than there are. Strands
// none of whose queries is kept are not looked at.
void check_ranges(const Call& call, const Strands& s, int64_t rows, const int32_t* kept) {
  const int64_t ranges = call.length(5) / 2;
  int64_t range = 0, query = 0;
  for (int64_t i = 0; i < s.count; i++) {
    const int64_t queries = s.strands[2 * i], count = s.strands[2 * i + 1];
    if (queries < 0 || count < 0 || queries > s.queries - query || count > ranges - range) {
      throw Refusal{"strands of more than there is", 5};
    }
    bool used = !kept;
    for (int64_t q = query; kept && q < query + queries; q++) used = used || kept[q];
    int64_t keys = 0;
    for (int64_t r = range; r < range + count; r++) {
      const int64_t first = s.ranges[2 * r], length = s.ranges[2 * r + 1];
      if (first < 0 || length < 0 || (used && length > rows - first)) throw Refusal{"a range outside of the rows", 6};
      keys += length;
    }
    for (int64_t q = query; q < query + queries; q++) {
      if (s.seen[q] < 1 || s.seen[q] > keys) throw Refusal{"a query that sees nothing, or more than there is", 7};
    }
    range += count;
    query += queries;
  }
  if (query != s.queries) throw Refusal{"queries of no strand", 5};
}

// (queries, heads, size, scale, strands, ranges, seen, ...)
Strands strands_of(const Call& call) {
  Strands s{};
  s.queries = call.size(0, INT32_MAX);
  s.heads = call.size(1, INT32_MAX);
  s.size = call.size(2, INT32_MAX);
  s.scale = call.number(3);
  s.count = call.length(4) / 2;
  s.strands = call.ints(4, 0);
  s.ranges = call.ints(5, 0);
  s.seen = call.ints(6, s.queries);
  if (s.queries == 0 || times(s.heads, s.size) == 0) throw Refusal{"attention over nothing", 1};
  return s;
}

// (..., rows of k and v, qStride, q, kStride, k, zero or null, ...)
int64_t take_scores(const Call& call, Strands& s) {
  const int64_t width = times(s.heads, s.size), rows = call.size(7, INT32_MAX);
  s.q_stride = call.size(8, INT32_MAX);
  s.k_stride = call.size(10, INT32_MAX);
  s.q = call.floats(9, reach(s.queries, s.q_stride, width));
  s.k = call.floats(11, reach(rows, s.k_stride, width));
  s.zero = call.maybe_floats(12, width);
  check_ranges(call, s, rows, nullptr);
  return rows;
}

// (..., vStride, v, out, inverse, zeroAttention or null)
napi_value attend(const Call& call) {
  Strands s = strands_of(call);
  const int64_t width = times(s.heads, s.size), rows = take_scores(call, s), each = times(s.queries, s.heads);
  s.v_stride = call.size(13, INT32_MAX);
  s.v = call.floats(14, reach(rows, s.v_stride, width));
  strand_attention(s, call.floats(15, times(s.queries, width)), call.floats(16, each), call.maybe_floats(17, each));
  return nullptr;
}

// (..., weights, inverse, zeroAttention or null)
napi_value weigh(const Call& call) {
  Strands s = strands_of(call);
  take_scores(call, s);
  const int64_t each = times(s.queries, s.heads);
  float* weights = call.floats(13, strand_weights_size(s));
  strand_weights(s, weights, call.floats(14, each), call.maybe_floats(15, each));
  return nullptr;
}

// (..., rows of v, vStride, v, kept, weights, inverse, out)
napi_value mix(const Call& call) {
  Strands s = strands_of(call);
  const int64_t width = times(s.heads, s.size), rows = call.size(7, INT32_MAX);
  s.v_stride = call.size(8, INT32_MAX);
  s.v = call.floats(9, reach(rows, s.v_stride, width));
  const int32_t* kept = call.ints(10, s.queries);
  check_ranges(call, s, rows, kept);
  const float* weights = call.floats(11, strand_weights_size(s));
  const float* inverse = call.floats(12, times(s.queries, s.heads));
  int64_t outputs = 0;
  for (int64_t q = 0; q < s.queries; q++) outputs += kept[q] ? 1 : 0;
  strand_values(s, kept, weights, inverse, call.floats(13, times(outputs, width)));
  return nullptr;
}

const Entry kEntries[] = {
    {"strandAttention", 18, attend},
    {"strandWeights", 16, weigh},
    {"strandValues", 14, mix},
};

}  // namespace

void define_strands(napi_env env, napi_value exports) { define(env, exports, kEntries, 3); }

}  // namespace ztt

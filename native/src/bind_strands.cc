// Attention over strands, for JavaScript.
#include "call.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

#define STRANDS queries, heads, kvHeads, size, window, scale, strands, ranges, seen
#define SCORES STRANDS, keyRows, qStride, q, kStride, k, zeroLogits

namespace calls {
ZTT_ARGUMENTS(strandAttention, SCORES, vStride, v, out, inverse, zero);
ZTT_ARGUMENTS(strandWeights, SCORES, weights, inverse, zero);
ZTT_ARGUMENTS(strandValues, STRANDS, valueRows, vStride, v, kept, weights, inverse, out);
}  // namespace calls

// The elements of `rows` rows of `width`, `stride` apart.
int64_t reach(int64_t rows, int64_t stride, int64_t width) { return rows == 0 ? 0 : times(rows - 1, stride) + width; }

// Every strand's ranges lie within `rows`, and its queries see some of its keys, and no more than there are. Strands
// none of whose queries is kept are not looked at.
void check_ranges(const Call& call, const Strands& s, int64_t rows, const int32_t* kept) {
  using A = calls::strandValues;
  const int64_t ranges = call.length(A::ranges) / 2;
  int64_t range = 0, query = 0;
  for (int64_t i = 0; i < s.count; i++) {
    const int64_t queries = s.strands[2 * i], count = s.strands[2 * i + 1];
    if (queries < 0 || count < 0 || queries > s.queries - query || count > ranges - range) {
      throw Refusal{"strands of more than there is", A::strands};
    }
    bool used = !kept;
    for (int64_t q = query; kept && q < query + queries; q++) used = used || kept[q];
    int64_t keys = 0;
    for (int64_t r = range; r < range + count; r++) {
      const int64_t first = s.ranges[2 * r], length = s.ranges[2 * r + 1];
      if (first < 0 || length < 0 || (used && length > rows - first)) throw Refusal{"a range outside of the rows", A::ranges};
      keys += length;
    }
    for (int64_t q = query; q < query + queries; q++) {
      if (s.seen[q] < 1 || s.seen[q] > keys) throw Refusal{"a query that sees nothing, or more than there is", A::seen};
    }
    range += count;
    query += queries;
  }
  if (query != s.queries) throw Refusal{"queries of no strand", A::strands};
}

// The arguments of STRANDS.
Strands strands_of(const Call& call) {
  using A = calls::strandValues;
  Strands s{};
  s.queries = call.size(A::queries, INT32_MAX);
  s.heads = call.size(A::heads, INT32_MAX);
  s.kv_heads = call.size(A::kvHeads, INT32_MAX);
  s.size = call.size(A::size, INT32_MAX);
  s.window = call.size(A::window);
  s.scale = call.number(A::scale);
  s.count = call.length(A::strands) / 2;
  s.strands = call.ints(A::strands, 0);
  s.ranges = call.ints(A::ranges, 0);
  s.seen = call.ints(A::seen, s.queries);
  if (s.queries == 0 || times(s.heads, s.size) == 0) throw Refusal{"attention over nothing", A::queries};
  if (s.kv_heads == 0 || s.heads % s.kv_heads != 0) throw Refusal{"heads that do not share evenly", A::kvHeads};
  if (s.window == 0) throw Refusal{"a window of nothing", A::window};
  return s;
}

// The arguments of SCORES that follow. The zero logits may be null. Returns the rows of k and v.
int64_t take_scores(const Call& call, Strands& s) {
  using A = calls::strandWeights;
  const int64_t width = times(s.heads, s.size), rows = call.size(A::keyRows, INT32_MAX);
  s.q_stride = call.size(A::qStride, INT32_MAX);
  s.k_stride = call.size(A::kStride, INT32_MAX);
  s.q = call.floats(A::q, reach(s.queries, s.q_stride, width));
  s.k = call.floats(A::k, reach(rows, s.k_stride, times(s.kv_heads, s.size)));
  s.zero_logits = call.maybe_floats(A::zeroLogits, times(s.queries, s.heads));
  check_ranges(call, s, rows, nullptr);
  return rows;
}

// zero may be null.
napi_value attend(const Call& call) {
  using A = calls::strandAttention;
  Strands s = strands_of(call);
  const int64_t width = times(s.heads, s.size), rows = take_scores(call, s), each = times(s.queries, s.heads);
  s.v_stride = call.size(A::vStride, INT32_MAX);
  s.v = call.floats(A::v, reach(rows, s.v_stride, times(s.kv_heads, s.size)));
  strand_attention(s, call.floats(A::out, times(s.queries, width)), call.floats(A::inverse, each), call.maybe_floats(A::zero, each));
  return nullptr;
}

// zero may be null.
napi_value weigh(const Call& call) {
  using A = calls::strandWeights;
  Strands s = strands_of(call);
  take_scores(call, s);
  const int64_t each = times(s.queries, s.heads);
  float* weights = call.floats(A::weights, strand_weights_size(s));
  strand_weights(s, weights, call.floats(A::inverse, each), call.maybe_floats(A::zero, each));
  return nullptr;
}

napi_value mix(const Call& call) {
  using A = calls::strandValues;
  Strands s = strands_of(call);
  const int64_t width = times(s.heads, s.size), rows = call.size(A::valueRows, INT32_MAX);
  s.v_stride = call.size(A::vStride, INT32_MAX);
  s.v = call.floats(A::v, reach(rows, s.v_stride, times(s.kv_heads, s.size)));
  const int32_t* kept = call.ints(A::kept, s.queries);
  check_ranges(call, s, rows, kept);
  const float* weights = call.floats(A::weights, strand_weights_size(s));
  const float* inverse = call.floats(A::inverse, times(s.queries, s.heads));
  int64_t outputs = 0;
  for (int64_t q = 0; q < s.queries; q++) outputs += kept[q] ? 1 : 0;
  strand_values(s, kept, weights, inverse, call.floats(A::out, times(outputs, width)));
  return nullptr;
}

const Entry kEntries[] = {
    entry<calls::strandAttention>(attend),
    entry<calls::strandWeights>(weigh),
    entry<calls::strandValues>(mix),
};

}  // namespace

void define_strands(const Exports& exports) { define(exports, kEntries); }

}  // namespace ztt

// Attention over strands, on the pool: each head of each strand is a piece.
#include <atomic>
#include <cstddef>
#include <new>
#include <vector>

#include "../flops.h"
#include "ops.h"
#include "parallel.h"

namespace ztt {
namespace {

// Where a strand's things begin.
struct Place {
  int64_t query, range, keys, weights;
};

int64_t weight_row(int64_t keys) { return (keys + kWeightColumns - 1) / kWeightColumns * kWeightColumns; }

// Places of the strands, and one more for the end.
std::vector<Place> places_of(const Strands& s) {
  std::vector<Place> places(static_cast<size_t>(s.count) + 1);
  Place at{};
  for (int64_t i = 0; i < s.count; i++) {
    const int64_t queries = s.strands[2 * i], ranges = s.strands[2 * i + 1];
    at.keys = 0;
    for (int64_t r = at.range; r < at.range + ranges; r++) at.keys += s.ranges[2 * r + 1];
    places[static_cast<size_t>(i)] = at;
    at.weights += queries * s.heads * weight_row(at.keys);
    at.query += queries;
    at.range += ranges;
  }
  places.back() = at;
  return places;
}

StrandHead head_of(const Strands& s, const Place& place, int64_t strand, int64_t head) {
  StrandHead h{};
  h.queries = s.strands[2 * strand];
  h.size = s.size;
  h.keys = place.keys;
  h.q = s.q ? s.q + place.query * s.q_stride + head * s.size : nullptr;
  const int64_t shared = head * s.kv_heads / s.heads * s.size;
  h.k = s.k ? s.k + shared : nullptr;
  h.v = s.v ? s.v + shared : nullptr;
  h.window = s.window;
  h.q_stride = s.q_stride, h.k_stride = s.k_stride, h.v_stride = s.v_stride;
  h.ranges = s.ranges + 2 * place.range;
  h.range_count = s.strands[2 * strand + 1];
  h.seen = s.seen + place.query;
  h.zero_logits = s.zero_logits ? s.zero_logits + place.query * s.heads + head : nullptr;
  h.scale = s.scale;
  h.inverse_stride = s.heads;
  h.out_stride = s.heads * s.size;
  return h;
}

// Runs `work(head, scratch, strand, place, head's number)` for each head of each strand.
template <typename Work>
void each_head(const Strands& s, const std::vector<Place>& places, const Work& work) {
  std::atomic<bool> short_of_memory{false};
  parallel(s.count * s.heads, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t strand = i / s.heads, head = i % s.heads;
      const Place& place = places[static_cast<size_t>(strand)];
      if (s.strands[2 * strand] == 0) continue;
      if (float* room = scratch(thread, kernels().strand_scratch(place.keys, s.size))) {
        work(head_of(s, place, strand, head), room, strand, place, head);
      } else {
        short_of_memory = true;
      }
    }
  });
  if (short_of_memory) throw std::bad_alloc();
}

// The keys that some queries see, added up.
int64_t all_seen(const int32_t* seen, int64_t queries, const int32_t* kept) {
  int64_t total = 0;
  for (int64_t i = 0; i < queries; i++) total += !kept || kept[i] ? seen[i] : 0;
  return total;
}

void count_scores(const Strands& s) {
  const int64_t keys = all_seen(s.seen, s.queries, nullptr);
  count_flops(2 * s.heads * s.size * keys);
}

}  // namespace

void strand_attention(const Strands& s, float* out, float* inverse, float* zero_part) {
  count_scores(s);
  count_flops(2 * s.heads * s.size * all_seen(s.seen, s.queries, nullptr));
  each_head(s, places_of(s), [&](StrandHead h, float* room, int64_t, const Place& place, int64_t head) {
    h.inverse = inverse + place.query * s.heads + head;
    h.zero_part = zero_part ? zero_part + place.query * s.heads + head : nullptr;
    h.out = out + place.query * h.out_stride + head * s.size;
    kernels().strand_attention(h, room);
  });
}

int64_t strand_weights_size(const Strands& s) { return places_of(s).back().weights; }

void strand_weights(const Strands& s, float* weights, float* inverse, float* zero_part) {
  count_scores(s);
  each_head(s, places_of(s), [&](StrandHead h, float* room, int64_t, const Place& place, int64_t head) {
    const int64_t row = weight_row(place.keys);
    h.weights = weights + place.weights + head * row;
    h.weights_stride = s.heads * row;
    h.inverse = inverse + place.query * s.heads + head;
    h.zero_part = zero_part ? zero_part + place.query * s.heads + head : nullptr;
    kernels().strand_weights(h, room);
  });
}

void strand_values(const Strands& s, const int32_t* kept, const float* weights, const float* inverse, float* out) {
  count_flops(2 * s.heads * s.size * all_seen(s.seen, s.queries, kept));
  // For each strand, its first row of out; one more for the end.
  std::vector<int64_t> rows(static_cast<size_t>(s.count) + 1);
  const std::vector<Place> places = places_of(s);
  for (int64_t i = 0; i < s.count; i++) {
    int64_t here = 0;
    for (int64_t q = 0; q < s.strands[2 * i]; q++) here += kept[places[static_cast<size_t>(i)].query + q] ? 1 : 0;
    rows[static_cast<size_t>(i) + 1] = rows[static_cast<size_t>(i)] + here;
  }
  each_head(s, places, [&](StrandHead h, float* room, int64_t strand, const Place& place, int64_t head) {
    const int64_t row = weight_row(place.keys);
    float* to = out + rows[static_cast<size_t>(strand)] * h.out_stride + head * s.size;
    const int64_t queries = h.queries;
    h.weights_stride = s.heads * row;
    // Queries that are kept, a run at a time.
    for (int64_t q = 0; q < queries;) {
      int64_t end = q;
      while (end < queries && kept[place.query + end]) end++;
      if (end > q) {
        h.queries = end - q;
        h.seen = s.seen + place.query + q;
        h.weights = const_cast<float*>(weights) + place.weights + (q * s.heads + head) * row;
        h.inverse = const_cast<float*>(inverse) + (place.query + q) * s.heads + head;
        h.out = to;
        kernels().strand_values(h, room);
        to += h.queries * h.out_stride;
      }
      q = end + 1;
    }
  });
}

}  // namespace ztt

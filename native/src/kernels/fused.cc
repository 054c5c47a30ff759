// The operations of a training step that are worth more than their parts.
#include <atomic>
#include <cstddef>
#include <new>
#include <vector>

#include "../flops.h"
#include "ops.h"
#include "parallel.h"

namespace ztt {
namespace {

// Columns that one piece adds up: whole cache lines.
constexpr int64_t kColumns = 64;

// So many products over the keys that are seen.
int64_t attention_flops(const Attention& s, int64_t products) {
  const int64_t full = s.window < s.tokens ? s.window : s.tokens, keys = full * (full + 1) / 2 + (s.tokens - full) * full;
  return 2 * products * s.batch * s.heads * s.size * keys;
}

// Where a head begins among those of all tokens.
template <typename Shape>
int64_t head_start(const Shape& s, int64_t stride, int64_t batch, int64_t head) {
  return batch * s.tokens * stride + head * s.size;
}

ZeroLogitsHead head_of(const ZeroLogits& s, int64_t batch, int64_t head) {
  ZeroLogitsHead h{};
  h.tokens = s.tokens;
  h.size = s.size;
  h.stride = s.stride;
  h.q = s.q + head_start(s, s.stride, batch, head);
  h.zero = s.zero + head * s.size;
  h.scale = s.scale;
  h.logit_stride = 1;
  return h;
}

}  // namespace

void layer_norm(int64_t rows, int64_t n, const float* x, const float* weight, const float* bias, float epsilon,
                float* y, float* stats) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      kernels().layer_norm(x + i * n, weight, bias, epsilon, y + i * n, stats + 2 * i, n);
    }
  });
}

void layer_norm_grad(int64_t rows, int64_t n, const float* x, const float* stats, const float* weight,
                     const float* dy, float* dx, float* weight_grad, float* bias_grad) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      kernels().layer_norm_grad(x + i * n, stats + 2 * i, weight, dy + i * n, dx + i * n, n);
    }
  });
  if (!weight_grad) return;
  parallel(n, kColumns, [=](int64_t begin, int64_t end, int) {
    kernels().layer_norm_sums(x + begin, stats, dy + begin, rows, n, end - begin, weight_grad + begin,
                              bias_grad + begin);
  });
}

void rms_norm(int64_t rows, int64_t n, const float* x, const float* weight, float offset, float epsilon, float* y,
              float* stats) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      kernels().rms_norm(x + i * n, weight, offset, epsilon, y + i * n, stats + i, n);
    }
  });
}

void rms_norm_grad(int64_t rows, int64_t n, const float* x, const float* stats, const float* weight, float offset,
                   const float* dy, float* dx, float* weight_grad) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      kernels().rms_norm_grad(x + i * n, stats[i], weight, offset, dy + i * n, dx + i * n, n);
    }
  });
  if (!weight_grad) return;
  parallel(n, kColumns, [=](int64_t begin, int64_t end, int) {
    kernels().rms_norm_sums(x + begin, stats, dy + begin, rows, n, end - begin, weight_grad + begin);
  });
}

void rotate(const Rotation& r, float* y) {
  parallel(r.rows, row_grain(r.heads * r.size), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t table = row % r.places * r.half;
      for (int64_t at = row * r.heads * r.size; at < (row + 1) * r.heads * r.size; at += r.size) {
        kernels().rotate(r.x + at, r.cosines + table, r.sines + table, r.back, y + at, r.size, r.half);
      }
    }
  });
}

void gated(Activation activation, int64_t n, const float* gate, const float* up, float* y) {
  parallel(n, kGrain, [=](int64_t begin, int64_t end, int) {
    kernels().gated(activation, gate + begin, up + begin, y + begin, end - begin);
  });
}

void gated_grad(Activation activation, int64_t n, const float* gate, const float* up, const float* dy,
                float* gate_grad, float* up_grad) {
  parallel(n, kGrain, [=](int64_t begin, int64_t end, int) {
    kernels().gated_grad(activation, gate + begin, up + begin, dy + begin, gate_grad + begin, up_grad + begin,
                         end - begin);
  });
}

void activation_grad(Activation activation, int64_t n, const float* z, const float* dy, float* dz) {
  parallel(n, kGrain, [=](int64_t begin, int64_t end, int) {
    kernels().activation_grad(activation, z + begin, dy + begin, dz + begin, end - begin);
  });
}

void adamw(const AdamW& options, int64_t n, float* parameter, float* mean, float* square, const float* gradient) {
  parallel(n, kGrain, [&, n](int64_t begin, int64_t end, int) {
    kernels().adamw(options, parameter + begin, mean + begin, square + begin, gradient + begin, end - begin);
  });
}

void zero_logits(const ZeroLogits& s, float* logits) {
  count_flops(2 * s.batch * s.tokens * s.heads * s.size);
  parallel(s.batch * s.heads, row_grain(s.tokens * s.size), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      ZeroLogitsHead h = head_of(s, i / s.heads, i % s.heads);
      h.logits = logits + i * s.tokens;
      kernels().zero_logits(h);
    }
  });
}

void zero_logits_grad(const ZeroLogits& s, const float* logits_grad, float* q_grad, float* zero_grad) {
  count_flops(4 * s.batch * s.tokens * s.heads * s.size);
  // The zero keys' gradients of each row of the batch, added up in order afterwards.
  std::vector<float> parts(static_cast<size_t>(s.batch * s.heads * s.size));
  parallel(s.batch * s.heads, row_grain(s.tokens * s.size), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      ZeroLogitsHead h = head_of(s, i / s.heads, i % s.heads);
      h.logits = const_cast<float*>(logits_grad) + i * s.tokens;
      kernels().zero_logits_grad(h, q_grad + head_start(s, s.stride, i / s.heads, i % s.heads), parts.data() + i * s.size);
    }
  });
  kernels().column_sums(parts.data(), s.batch, s.heads * s.size, s.heads * s.size, zero_grad);
}

// Each sequence is a strand of all its tokens.
void attention(const Attention& s, float* out, float* lse, float* zero_part) {
  count_flops(attention_flops(s, 2));  // scores, values
  const int64_t need = kernels().strand_scratch(s.tokens, s.size);
  const int32_t range[2] = {0, static_cast<int32_t>(s.tokens)};
  std::atomic<bool> short_of_memory{false};
  parallel(s.batch * s.heads, 1, [&, need](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t batch = i / s.heads, head = i % s.heads;
      const int64_t kv_at = head_start(s, s.kv_stride, batch, head * s.kv_heads / s.heads);
      float* room = scratch(thread, need + s.tokens);
      if (!room) {
        short_of_memory = true;
        continue;
      }
      StrandHead h{};
      h.queries = h.keys = s.tokens;
      h.size = s.size;
      h.q = s.q + head_start(s, s.q_stride, batch, head), h.k = s.k + kv_at, h.v = s.v + kv_at;
      h.q_stride = s.q_stride;
      h.k_stride = h.v_stride = s.kv_stride;
      h.window = s.window;
      h.ranges = range;
      h.range_count = 1;
      h.zero_logits = s.zero_logits ? s.zero_logits + i * s.tokens : nullptr;
      h.scale = s.scale;
      h.inverse = room + need;
      h.inverse_stride = 1;
      h.lse = lse + i * s.tokens;
      h.zero_part = zero_part ? zero_part + i * s.tokens : nullptr;
      h.out_stride = s.heads * s.size;
      h.out = out + batch * s.tokens * h.out_stride + head * s.size;
      kernels().strand_attention(h, room);
    }
  });
  if (short_of_memory) throw std::bad_alloc();
}

void attention_grad(const Attention& s, const float* out, const float* lse, const float* out_grad, float* q_grad,
                    float* k_grad, float* v_grad, float* zero_grad) {
  count_flops(attention_flops(s, 5));  // scores, and the gradients of q, k, v and the weights
  const int64_t need = kernels().attention_grad_scratch(s.tokens, s.size);
  std::atomic<bool> short_of_memory{false};
  const int64_t group = s.heads / s.kv_heads;
  parallel(s.batch * s.kv_heads, 1, [&, need](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t batch = i / s.kv_heads, shared = i % s.kv_heads, first = shared * group;
      float* room = scratch(thread, need);
      if (!room) {
        short_of_memory = true;
        continue;
      }
      AttentionGroup h{};
      h.group = group;
      h.tokens = s.tokens;
      h.size = s.size;
      h.window = s.window;
      h.q_stride = s.q_stride, h.kv_stride = s.kv_stride, h.out_stride = s.heads * s.size;
      const int64_t q_at = head_start(s, s.q_stride, batch, first), kv_at = head_start(s, s.kv_stride, batch, shared);
      h.q = s.q + q_at, h.k = s.k + kv_at, h.v = s.v + kv_at;
      h.q_grad = q_grad + q_at, h.k_grad = k_grad + kv_at, h.v_grad = v_grad + kv_at;
      const int64_t out_at = head_start(s, h.out_stride, batch, first), row_at = (batch * s.heads + first) * s.tokens;
      h.out = out + out_at;
      h.out_grad = out_grad + out_at;
      h.lse = lse + row_at;
      h.zero_logits = s.zero_logits ? s.zero_logits + row_at : nullptr;
      h.zero_grad = zero_grad ? zero_grad + row_at : nullptr;
      h.scale = s.scale;
      kernels().attention_grad(h, room);
    }
  });
  if (short_of_memory) throw std::bad_alloc();
}

double head_loss(const HeadLoss& h) {
  std::vector<float> losses(static_cast<size_t>(h.rows));
  const bool gradient = h.state_grad != nullptr;
  for (int64_t start = 0; start < h.rows; start += h.chunk) {
    const int64_t rows = h.rows - start < h.chunk ? h.rows - start : h.chunk;
    const float* state = h.state + start * h.width;
    sgemm(false, true, rows, h.vocabulary, h.width, state, h.width, h.weight, h.width, h.logits, h.vocabulary, false,
          {});
    parallel(rows, 1, [&, start](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t row = start + i;
        losses[static_cast<size_t>(row)] = kernels().cross_entropy(
            h.logits + i * h.vocabulary, h.vocabulary, h.targets[row], gradient ? h.row_weights + row : nullptr);
      }
    });
    if (!gradient) continue;
    sgemm(false, false, rows, h.width, h.vocabulary, h.logits, h.vocabulary, h.weight, h.width,
          h.state_grad + start * h.width, h.width, false, {});
    if (!h.weight_grad) continue;
    sgemm(true, false, h.vocabulary, h.width, rows, h.logits, h.vocabulary, state, h.width, h.weight_grad, h.width,
          start > 0, {});
  }
  double total = 0;
  for (int64_t i = 0; i < h.rows; i++) {
    // A row of weight 0 does not count, whatever its loss.
    if (h.row_weights[i] != 0) total += static_cast<double>(h.row_weights[i]) * losses[static_cast<size_t>(i)];
  }
  return total;
}

}  // namespace ztt

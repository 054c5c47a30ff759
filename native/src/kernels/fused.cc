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

// So many products over the causal keys, and over the zero token where there is one.
int64_t attention_flops(const Attention& s, int64_t over_keys, int64_t over_zero) {
  const int64_t keys = s.tokens * (s.tokens + 1) / 2;
  return 2 * s.batch * s.heads * s.size * (over_keys * keys + (s.zero ? over_zero * s.tokens : 0));
}

AttentionHead head_of(const Attention& s, int64_t batch, int64_t head) {
  const int64_t at = batch * s.tokens * s.stride + head * s.size;
  AttentionHead h{};
  h.tokens = s.tokens;
  h.size = s.size;
  h.stride = s.stride;
  h.out_stride = s.heads * s.size;
  h.q = s.q + at;
  h.k = s.k + at;
  h.v = s.v + at;
  h.zero = s.zero ? s.zero + head * s.size : nullptr;
  h.scale = s.scale;
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

void attention(const Attention& s, float* out, float* lse, float* zero_part) {
  count_flops(attention_flops(s, 2, 1));  // scores, values
  const int64_t need = kernels().attention_scratch(s.tokens, s.size, false);
  std::atomic<bool> short_of_memory{false};
  parallel(s.batch * s.heads, 1, [&, need](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t batch = i / s.heads, head = i % s.heads;
      AttentionHead h = head_of(s, batch, head);
      h.out = out + batch * s.tokens * h.out_stride + head * s.size;
      h.lse = lse + i * s.tokens;
      h.zero_part = zero_part ? zero_part + i * s.tokens : nullptr;
      if (float* room = scratch(thread, need)) {
        kernels().attention(h, room);
      } else {
        short_of_memory = true;
      }
    }
  });
  if (short_of_memory) throw std::bad_alloc();
}

void attention_grad(const Attention& s, const float* out, const float* lse, const float* out_grad, float* q_grad,
                    float* k_grad, float* v_grad, float* zero_grad) {
  count_flops(attention_flops(s, 5, 3));  // scores, and the gradients of q, k, v and the weights
  const int64_t need = kernels().attention_scratch(s.tokens, s.size, true);
  // The zero keys' gradients of each row of the batch, added up in order afterwards.
  std::vector<float> parts(s.zero ? static_cast<size_t>(s.batch * s.heads * s.size) : 0);
  std::atomic<bool> short_of_memory{false};
  parallel(s.batch * s.heads, 1, [&, need](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t batch = i / s.heads, head = i % s.heads;
      const int64_t at = batch * s.tokens * s.stride + head * s.size;
      AttentionHead h = head_of(s, batch, head);
      const int64_t out_at = batch * s.tokens * h.out_stride + head * s.size;
      h.out = const_cast<float*>(out) + out_at;
      h.lse = const_cast<float*>(lse) + i * s.tokens;
      h.out_grad = out_grad + out_at;
      h.q_grad = q_grad + at;
      h.k_grad = k_grad + at;
      h.v_grad = v_grad + at;
      h.zero_grad = parts.data() + i * s.size;
      if (float* room = scratch(thread, need)) {
        kernels().attention_grad(h, room);
      } else {
        short_of_memory = true;
      }
    }
  });
  if (short_of_memory) throw std::bad_alloc();
  if (s.zero) kernels().column_sums(parts.data(), s.batch, s.heads * s.size, s.heads * s.size, zero_grad);
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

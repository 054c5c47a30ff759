// The kernels of one instruction set: each works on a row or a range, on the calling thread alone.
#pragma once
#include <cstdint>

#include "../gemm.h"

namespace ztt {

ZTT_ENUM(Unary, relu, step, square, sqrt, rsqrt, neg, exp, tanh, erf, sigmoid, gelu_new, gelu, silu);
ZTT_ENUM(Binary, add, sub, mul, div);

// What AdamW does to every element; `scale` is applied to gradients first.
struct AdamW {
  float scale, rate, beta1, beta2, epsilon, square_correction, decay;
};

// The gradient of causal attention of the heads that share a head of keys and values, `group` of them: row t of q and
// its gradient is at t * q_stride, of k and v at t * kv_stride, of out and its gradient at t * out_stride. What belongs
// to the next head of the group follows, [size] or [tokens] further on.
struct AttentionGroup {
  int64_t group, tokens, size;
  int64_t window;  // the last keys that a query sees, its own among them
  int64_t q_stride, kv_stride, out_stride;
  const float *q, *k, *v;
  const float* zero_logits;  // [group, tokens], or null for no zero token
  float scale;
  const float *out, *out_grad;
  const float* lse;  // [group, tokens]: log of the sum of the exponentials of the logits
  float *q_grad, *k_grad, *v_grad;
  float* zero_grad;  // [group, tokens]: by the zero logits
};

// One head's zero logits: row t of q is at t * stride.
struct ZeroLogitsHead {
  int64_t tokens, size, stride;
  const float* q;
  const float* zero;  // the zero key, [size]
  float scale;
  float* logits;         // [tokens]
  int64_t logit_stride;
};

// One head's attention over one strand: queries that each see the first so many of its keys. Row r of x is at
// r * x_stride.
struct StrandHead {
  int64_t queries, size;
  int64_t keys;  // in all ranges
  const float *q, *k, *v;
  int64_t q_stride, k_stride, v_stride;
  const int32_t* ranges;  // [range_count, 2]: the first row of k and v, and how many
  int64_t range_count;
  const int32_t* seen;  // [queries]: it sees keys up to this one; up to its own, i + 1, where it is null
  int64_t window;       // the last of those that a query sees
  const float* zero_logits;  // [queries], or null for no zero token
  float scale;
  float* weights;  // [queries, keys]: the exponentials, 0 for what is not seen
  int64_t weights_stride;
  float* inverse;    // [queries]: 1 / the sum of the exponentials
  float* zero_part;  // [queries]: the zero attention; null if it is not wanted
  int64_t inverse_stride;  // of both, and of zero_logits
  float* lse;              // [queries]: log of the sum of the exponentials of the logits; null if it is not wanted
  float* out;              // [queries, size]
  int64_t out_stride;
};

struct Kernels {
  void (*unary)(Unary op, const float* x, float* y, int64_t n);
  // Operands advance by a_step and b_step, each 0 or 1.
  void (*binary)(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n);
  float (*sum)(const float* x, int64_t n);
  double (*sum_squares)(const float* x, int64_t n);
  float (*max)(const float* x, int64_t n);
  void (*softmax)(const float* x, float* y, int64_t n);
  // stats: the row's mean and 1 / sqrt(variance + epsilon). Weight and bias may be null.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon, float* y, float* stats,
                     int64_t n);
  void (*layer_norm_grad)(const float* x, const float* stats, const float* weight, const float* dy, float* dx,
                          int64_t n);
  // Adds up `columns` columns over `rows` rows: dy into bias, and dy times the normalised x into weight.
  void (*layer_norm_sums)(const float* x, const float* stats, const float* dy, int64_t rows, int64_t stride,
                          int64_t columns, float* weight, float* bias);
  // y = x (weight + offset) / the root of the mean square; stats: 1 / that root.
  void (*rms_norm)(const float* x, const float* weight, float offset, float epsilon, float* y, float* stats, int64_t n);
  void (*rms_norm_grad)(const float* x, float stats, const float* weight, float offset, const float* dy, float* dx,
                        int64_t n);
  // Adds up `columns` columns of dy times the normalised x over `rows` rows.
  void (*rms_norm_sums)(const float* x, const float* stats, const float* dy, int64_t rows, int64_t stride,
                        int64_t columns, float* weight);
  // One head: i and i + half, for i < half, turn by the angle whose cosine and sine are given; the rest stays.
  void (*rotate)(const float* x, const float* cosines, const float* sines, bool back, float* y, int64_t size,
                 int64_t half);
  // y = activation(gate) * up
  void (*gated)(Activation activation, const float* gate, const float* up, float* y, int64_t n);
  void (*gated_grad)(Activation activation, const float* gate, const float* up, const float* dy, float* gate_grad,
                     float* up_grad, int64_t n);
  void (*column_sums)(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y);
  // dz = dy * activation'(z)
  void (*activation_grad)(Activation activation, const float* z, const float* dy, float* dz, int64_t n);
  void (*adamw)(const AdamW& options, float* parameter, float* mean, float* square, const float* gradient, int64_t n);
  // The loss of one row of logits; with `weight`, the row becomes its gradient times *weight.
  float (*cross_entropy)(float* logits, int64_t n, int64_t target, const float* weight);
  // The sum of e^(x - offset).
  float (*sum_exponentials)(const float* x, float offset, int64_t n);
  void (*zero_logits)(const ZeroLogitsHead& head);
  // `logits` are their gradients here; adds to q_grad, whose rows lie as those of q, and sets zero_grad [size].
  void (*zero_logits_grad)(const ZeroLogitsHead& head, float* q_grad, float* zero_grad);
  int64_t (*attention_grad_scratch)(int64_t tokens, int64_t size);  // in floats
  void (*attention_grad)(const AttentionGroup& heads, float* scratch);
  int64_t (*strand_scratch)(int64_t keys, int64_t size);  // in floats, for each of the next three
  void (*strand_attention)(const StrandHead& head, float* scratch);  // `weights` is not used
  void (*strand_weights)(const StrandHead& head, float* scratch);    // v and out are not used
  void (*strand_values)(const StrandHead& head, float* scratch);     // from weights and inverse; q and k are not used
};

// The kernels for the CPU that this runs on.
const Kernels& kernels();

}  // namespace ztt

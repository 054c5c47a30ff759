// The fused operations, for JavaScript.
#include "call.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

// (rows, n, x, weight or null, bias or null, epsilon, y, stats)
napi_value norm(const Call& call) {
  const int64_t rows = call.size(0), n = call.size(1), all = times(rows, n);
  const float* weight = call.maybe_floats(3, n);
  const float* bias = call.maybe_floats(4, n);
  if ((weight == nullptr) != (bias == nullptr)) throw Refusal{"a weight without a bias, or a bias without one", 5};
  layer_norm(rows, n, call.floats(2, all), weight, bias, call.number(5), call.floats(6, all),
             call.floats(7, times(rows, 2)));
  return nullptr;
}

// (rows, n, x, stats, weight or null, dy, dx, weightGrad or null, biasGrad or null)
napi_value norm_grad(const Call& call) {
  const int64_t rows = call.size(0), n = call.size(1), all = times(rows, n);
  float* weight_grad = call.maybe_floats(7, n);
  float* bias_grad = call.maybe_floats(8, n);
  if ((weight_grad == nullptr) != (bias_grad == nullptr)) throw Refusal{"one of two gradients", 9};
  layer_norm_grad(rows, n, call.floats(2, all), call.floats(3, times(rows, 2)), call.maybe_floats(4, n),
                  call.floats(5, all), call.floats(6, all), weight_grad, bias_grad);
  return nullptr;
}

// (activation, z, dy, dz)
napi_value slopes(const Call& call) {
  const auto activation = static_cast<Activation>(call.size(0, static_cast<int64_t>(Activation::silu)));
  const int64_t n = call.length(3);
  activation_grad(activation, n, call.floats(1, n), call.floats(2, n), call.floats(3, n));
  return nullptr;
}

// (parameter, mean, square, gradient, [scale, rate, beta1, beta2, epsilon, squareCorrection, decay])
napi_value adamw_(const Call& call) {
  const int64_t n = call.length(0);
  const float* o = call.floats(4, 7);
  adamw({o[0], o[1], o[2], o[3], o[4], o[5], o[6]}, n, call.floats(0, n), call.floats(1, n), call.floats(2, n),
        call.floats(3, n));
  return nullptr;
}

struct Reach {
  int64_t strided, dense, rows;
};

// (batch, tokens, heads, size, stride, q, k, v, zero or null, scale, ...)
Attention attention_shape(const Call& call, Reach& reach) {
  Attention s{};
  s.batch = call.size(0, INT32_MAX);
  s.tokens = call.size(1, INT32_MAX);
  s.heads = call.size(2, INT32_MAX);
  s.size = call.size(3, INT32_MAX);
  s.stride = call.size(4, INT32_MAX);
  const int64_t width = times(s.heads, s.size);
  if (s.batch == 0 || s.tokens == 0 || width == 0) throw Refusal{"attention over nothing", 1};
  if (s.stride < width) throw Refusal{"tokens that overlap", 5};
  reach.strided = times(times(s.batch, s.tokens) - 1, s.stride) + width;
  reach.dense = times(s.batch, s.tokens, width);
  reach.rows = times(s.batch, s.heads, s.tokens);
  s.q = call.floats(5, reach.strided);
  s.k = call.floats(6, reach.strided);
  s.v = call.floats(7, reach.strided);
  s.zero = call.maybe_floats(8, width);
  s.scale = call.number(9);
  return s;
}

// (..., out, lse, zeroAttention or null)
napi_value attend(const Call& call) {
  Reach reach;
  const Attention s = attention_shape(call, reach);
  attention(s, call.floats(10, reach.dense), call.floats(11, reach.rows), call.maybe_floats(12, reach.rows));
  return nullptr;
}

// (..., out, lse, outGrad, qGrad, kGrad, vGrad, zeroGrad or null)
napi_value attend_grad(const Call& call) {
  Reach reach;
  const Attention s = attention_shape(call, reach);
  float* zero_grad = call.maybe_floats(16, times(s.heads, s.size));
  if ((s.zero == nullptr) != (zero_grad == nullptr)) throw Refusal{"a zero key without a gradient, or one for none", 17};
  attention_grad(s, call.floats(10, reach.dense), call.floats(11, reach.rows), call.floats(12, reach.dense),
                 call.floats(13, reach.strided), call.floats(14, reach.strided), call.floats(15, reach.strided),
                 zero_grad);
  return nullptr;
}

// (rows, width, vocabulary, chunk, state, weight, targets, rowWeights, logits, stateGrad or null, weightGrad or null)
napi_value head(const Call& call) {
  HeadLoss h{};
  h.rows = call.size(0, INT32_MAX);
  h.width = call.size(1, INT32_MAX);
  h.vocabulary = call.size(2, INT32_MAX);
  h.chunk = call.size(3, INT32_MAX);
  if (h.width == 0 || h.vocabulary == 0 || h.chunk == 0) throw Refusal{"a size of nothing", 4};
  h.state = call.floats(4, times(h.rows, h.width));
  h.weight = call.floats(5, times(h.vocabulary, h.width));
  h.targets = call.ints(6, h.rows);
  for (int64_t i = 0; i < h.rows; i++) {
    if (h.targets[i] < 0 || h.targets[i] >= h.vocabulary) throw Refusal{"a target outside of the vocabulary", 7};
  }
  h.row_weights = call.floats(7, h.rows);
  h.logits = call.floats(8, times(h.chunk, h.vocabulary));
  h.state_grad = call.maybe_floats(9, times(h.rows, h.width));
  h.weight_grad = call.maybe_floats(10, times(h.vocabulary, h.width));
  if (h.state_grad == nullptr && h.weight_grad != nullptr) throw Refusal{"the weight's gradient without the state's", 11};
  napi_value result;
  napi_create_double(call.env(), head_loss(h), &result);
  return result;
}

const Entry kEntries[] = {
    {"layerNorm", 8, norm},   {"layerNormGrad", 9, norm_grad},  {"activationGrad", 4, slopes}, {"adamW", 5, adamw_},
    {"attention", 13, attend}, {"attentionGrad", 17, attend_grad}, {"headLoss", 11, head},
};

}  // namespace

void define_fused_kernels(napi_env env, napi_value exports) { define(env, exports, kEntries, 7); }

}  // namespace ztt

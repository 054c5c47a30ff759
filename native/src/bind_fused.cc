// The fused operations, for JavaScript.
#include "call.h"
#include "kernels/ops.h"

namespace ztt {
namespace {

#define ATTENTION batch, tokens, heads, kvHeads, size, window, qStride, q, kvStride, k, v, zeroLogits, scale
#define ZERO_LOGITS batch, tokens, heads, size, stride, q, zeroKey, scale

namespace calls {
ZTT_ARGUMENTS(layerNorm, rows, n, x, weight, bias, epsilon, y, stats);
ZTT_ARGUMENTS(layerNormGrad, rows, n, x, stats, weight, dy, dx, weightGrad, biasGrad);
ZTT_ARGUMENTS(rmsNorm, rows, n, x, weight, offset, epsilon, y, stats);
ZTT_ARGUMENTS(rmsNormGrad, rows, n, x, stats, weight, offset, dy, dx, weightGrad);
ZTT_ARGUMENTS(rotate, rows, places, heads, size, half, x, cosines, sines, back, y);
ZTT_ARGUMENTS(gated, activation, gate, up, y);
ZTT_ARGUMENTS(gatedGrad, activation, gate, up, dy, gateGrad, upGrad);
ZTT_ARGUMENTS(activationGrad, activation, z, dy, dz);
ZTT_ARGUMENTS(adamW, parameter, mean, square, gradient, options);
ZTT_ARGUMENTS(zeroLogits, ZERO_LOGITS, logits);
ZTT_ARGUMENTS(zeroLogitsGrad, ZERO_LOGITS, logitsGrad, qGrad, zeroGrad);
ZTT_ARGUMENTS(attention, ATTENTION, out, lse, zero);
ZTT_ARGUMENTS(attentionGrad, ATTENTION, out, lse, outGrad, qGrad, kGrad, vGrad, zeroGrad);
ZTT_ARGUMENTS(headLoss, rows, width, vocabulary, chunk, state, weight, targets, rowWeights, logits, stateGrad,
              weightGrad);
}  // namespace calls

// Weight and bias may be null together.
napi_value norm(const Call& call) {
  using A = calls::layerNorm;
  const int64_t rows = call.size(A::rows), n = call.size(A::n), all = times(rows, n);
  const float* weight = call.maybe_floats(A::weight, n);
  const float* bias = call.maybe_floats(A::bias, n);
  if ((weight == nullptr) != (bias == nullptr)) throw Refusal{"a weight without a bias, or a bias without one", A::bias};
  layer_norm(rows, n, call.floats(A::x, all), weight, bias, call.number(A::epsilon), call.floats(A::y, all),
             call.floats(A::stats, times(rows, 2)));
  return nullptr;
}

// The weight may be null, and weightGrad and biasGrad together.
napi_value norm_grad(const Call& call) {
  using A = calls::layerNormGrad;
  const int64_t rows = call.size(A::rows), n = call.size(A::n), all = times(rows, n);
  float* weight_grad = call.maybe_floats(A::weightGrad, n);
  float* bias_grad = call.maybe_floats(A::biasGrad, n);
  if ((weight_grad == nullptr) != (bias_grad == nullptr)) throw Refusal{"one of two gradients", A::biasGrad};
  layer_norm_grad(rows, n, call.floats(A::x, all), call.floats(A::stats, times(rows, 2)), call.maybe_floats(A::weight, n),
                  call.floats(A::dy, all), call.floats(A::dx, all), weight_grad, bias_grad);
  return nullptr;
}

napi_value slopes(const Call& call) {
  using A = calls::activationGrad;
  const auto activation = call.choice<Activation>(A::activation);
  const int64_t n = call.length(A::dz);
  activation_grad(activation, n, call.floats(A::z, n), call.floats(A::dy, n), call.floats(A::dz, n));
  return nullptr;
}

// options: scale, rate, beta1, beta2, epsilon, squareCorrection, decay
napi_value adamw_(const Call& call) {
  using A = calls::adamW;
  const int64_t n = call.length(A::parameter);
  const float* o = call.floats(A::options, 7);
  adamw({o[0], o[1], o[2], o[3], o[4], o[5], o[6]}, n, call.floats(A::parameter, n), call.floats(A::mean, n), call.floats(A::square, n),
        call.floats(A::gradient, n));
  return nullptr;
}

napi_value rms(const Call& call) {
  using A = calls::rmsNorm;
  const int64_t rows = call.size(A::rows), n = call.size(A::n), all = times(rows, n);
  rms_norm(rows, n, call.floats(A::x, all), call.floats(A::weight, n), call.number(A::offset), call.number(A::epsilon),
           call.floats(A::y, all), call.floats(A::stats, rows));
  return nullptr;
}

// weightGrad may be null.
napi_value rms_grad(const Call& call) {
  using A = calls::rmsNormGrad;
  const int64_t rows = call.size(A::rows), n = call.size(A::n), all = times(rows, n);
  rms_norm_grad(rows, n, call.floats(A::x, all), call.floats(A::stats, rows), call.floats(A::weight, n),
                call.number(A::offset), call.floats(A::dy, all), call.floats(A::dx, all),
                call.maybe_floats(A::weightGrad, n));
  return nullptr;
}

napi_value turn(const Call& call) {
  using A = calls::rotate;
  Rotation r{};
  r.rows = call.size(A::rows);
  r.places = call.size(A::places);
  r.heads = call.size(A::heads);
  r.size = call.size(A::size);
  r.half = call.size(A::half);
  if (r.places == 0) throw Refusal{"no places", A::places};
  if (times(2, r.half) > r.size) throw Refusal{"more than a head is rotated", A::half, r.half, r.size / 2};
  const int64_t all = times(r.rows, r.heads, r.size);
  r.x = call.floats(A::x, all);
  r.cosines = call.floats(A::cosines, times(r.places, r.half));
  r.sines = call.floats(A::sines, times(r.places, r.half));
  r.back = call.flag(A::back);
  rotate(r, call.floats(A::y, all));
  return nullptr;
}

napi_value gate(const Call& call) {
  using A = calls::gated;
  const int64_t n = call.length(A::y);
  gated(call.choice<Activation>(A::activation), n, call.floats(A::gate, n), call.floats(A::up, n),
        call.floats(A::y, n));
  return nullptr;
}

napi_value gate_grad(const Call& call) {
  using A = calls::gatedGrad;
  const int64_t n = call.length(A::dy);
  gated_grad(call.choice<Activation>(A::activation), n, call.floats(A::gate, n), call.floats(A::up, n),
             call.floats(A::dy, n), call.floats(A::gateGrad, n), call.floats(A::upGrad, n));
  return nullptr;
}

struct Reach {
  int64_t queries, keys, dense, rows;
};

// The arguments of ZERO_LOGITS.
ZeroLogits zero_logits_shape(const Call& call, int64_t& strided) {
  using A = calls::zeroLogits;
  ZeroLogits s{};
  s.batch = call.size(A::batch, INT32_MAX);
  s.tokens = call.size(A::tokens, INT32_MAX);
  s.heads = call.size(A::heads, INT32_MAX);
  s.size = call.size(A::size, INT32_MAX);
  s.stride = call.size(A::stride, INT32_MAX);
  const int64_t width = times(s.heads, s.size);
  if (s.batch == 0 || s.tokens == 0 || width == 0) throw Refusal{"logits of nothing", A::batch};
  if (s.stride < width) throw Refusal{"tokens that overlap", A::stride};
  strided = times(times(s.batch, s.tokens) - 1, s.stride) + width;
  s.q = call.floats(A::q, strided);
  s.zero = call.floats(A::zeroKey, width);
  s.scale = call.number(A::scale);
  return s;
}

napi_value zero(const Call& call) {
  int64_t strided;
  const ZeroLogits s = zero_logits_shape(call, strided);
  zero_logits(s, call.floats(calls::zeroLogits::logits, times(s.batch, s.tokens, s.heads)));
  return nullptr;
}

napi_value zero_grad(const Call& call) {
  using A = calls::zeroLogitsGrad;
  int64_t strided;
  const ZeroLogits s = zero_logits_shape(call, strided);
  zero_logits_grad(s, call.floats(A::logitsGrad, times(s.batch, s.tokens, s.heads)), call.floats(A::qGrad, strided),
                   call.floats(A::zeroGrad, times(s.heads, s.size)));
  return nullptr;
}

// The arguments of ATTENTION. The zero logits may be null.
Attention attention_shape(const Call& call, Reach& reach) {
  using A = calls::attention;
  Attention s{};
  s.batch = call.size(A::batch, INT32_MAX);
  s.tokens = call.size(A::tokens, INT32_MAX);
  s.heads = call.size(A::heads, INT32_MAX);
  s.kv_heads = call.size(A::kvHeads, INT32_MAX);
  s.size = call.size(A::size, INT32_MAX);
  s.window = call.size(A::window);
  s.q_stride = call.size(A::qStride, INT32_MAX);
  s.kv_stride = call.size(A::kvStride, INT32_MAX);
  const int64_t width = times(s.heads, s.size), kv_width = times(s.kv_heads, s.size);
  if (s.batch == 0 || s.tokens == 0 || width == 0) throw Refusal{"attention over nothing", A::batch};
  if (s.kv_heads == 0 || s.heads % s.kv_heads != 0) throw Refusal{"heads that do not share evenly", A::kvHeads};
  if (s.window == 0) throw Refusal{"a window of nothing", A::window};
  if (s.q_stride < width) throw Refusal{"tokens that overlap", A::qStride};
  if (s.kv_stride < kv_width) throw Refusal{"tokens that overlap", A::kvStride};
  const int64_t last = times(s.batch, s.tokens) - 1;
  reach.queries = times(last, s.q_stride) + width;
  reach.keys = times(last, s.kv_stride) + kv_width;
  reach.dense = times(s.batch, s.tokens, width);
  reach.rows = times(s.batch, s.heads, s.tokens);
  s.q = call.floats(A::q, reach.queries);
  s.k = call.floats(A::k, reach.keys);
  s.v = call.floats(A::v, reach.keys);
  s.zero_logits = call.maybe_floats(A::zeroLogits, reach.rows);
  s.scale = call.number(A::scale);
  return s;
}

// zero may be null.
napi_value attend(const Call& call) {
  using A = calls::attention;
  Reach reach;
  const Attention s = attention_shape(call, reach);
  attention(s, call.floats(A::out, reach.dense), call.floats(A::lse, reach.rows), call.maybe_floats(A::zero, reach.rows));
  return nullptr;
}

// zeroGrad may be null.
napi_value attend_grad(const Call& call) {
  using A = calls::attentionGrad;
  Reach reach;
  const Attention s = attention_shape(call, reach);
  float* zero_grad = call.maybe_floats(A::zeroGrad, reach.rows);
  if ((s.zero_logits == nullptr) != (zero_grad == nullptr)) {
    throw Refusal{"zero logits without a gradient, or one for none", A::zeroGrad};
  }
  attention_grad(s, call.floats(A::out, reach.dense), call.floats(A::lse, reach.rows), call.floats(A::outGrad, reach.dense),
                 call.floats(A::qGrad, reach.queries), call.floats(A::kGrad, reach.keys), call.floats(A::vGrad, reach.keys),
                 zero_grad);
  return nullptr;
}

// stateGrad and weightGrad may be null.
napi_value head(const Call& call) {
  using A = calls::headLoss;
  HeadLoss h{};
  h.rows = call.size(A::rows, INT32_MAX);
  h.width = call.size(A::width, INT32_MAX);
  h.vocabulary = call.size(A::vocabulary, INT32_MAX);
  h.chunk = call.size(A::chunk, INT32_MAX);
  if (h.width == 0 || h.vocabulary == 0 || h.chunk == 0) throw Refusal{"a size of nothing", A::chunk};
  h.state = call.floats(A::state, times(h.rows, h.width));
  h.weight = call.floats(A::weight, times(h.vocabulary, h.width));
  h.targets = call.ints(A::targets, h.rows);
  for (int64_t i = 0; i < h.rows; i++) {
    if (h.targets[i] < 0 || h.targets[i] >= h.vocabulary) throw Refusal{"a target outside of the vocabulary", A::targets};
  }
  h.row_weights = call.floats(A::rowWeights, h.rows);
  h.logits = call.floats(A::logits, times(h.chunk, h.vocabulary));
  h.state_grad = call.maybe_floats(A::stateGrad, times(h.rows, h.width));
  h.weight_grad = call.maybe_floats(A::weightGrad, times(h.vocabulary, h.width));
  if (h.state_grad == nullptr && h.weight_grad != nullptr) throw Refusal{"the weight's gradient without the state's", A::weightGrad};
  return call.number_value(head_loss(h));
}

const Entry kEntries[] = {
    entry<calls::rmsNorm>(rms),      entry<calls::rmsNormGrad>(rms_grad),      entry<calls::rotate>(turn),
    entry<calls::gated>(gate),       entry<calls::gatedGrad>(gate_grad),
    entry<calls::layerNorm>(norm),   entry<calls::layerNormGrad>(norm_grad),   entry<calls::activationGrad>(slopes),
    entry<calls::adamW>(adamw_),     entry<calls::attention>(attend),          entry<calls::attentionGrad>(attend_grad),
    entry<calls::headLoss>(head),    entry<calls::zeroLogits>(zero),           entry<calls::zeroLogitsGrad>(zero_grad),
};

}  // namespace

void define_fused_kernels(const Exports& exports) { define(exports, kEntries); }

}  // namespace ztt

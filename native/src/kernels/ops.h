// Operations on whole tensors, on the pool. Lengths are the caller's to check. Results never depend on the threads.
#pragma once
#include <cstdint>

#include "kernels.h"

namespace ztt {

ZTT_ENUM(Reduction, sum, mean, max);

void map_unary(Unary op, int64_t n, const float* x, float* y);

// y [outer, inner] = a op b, where element (i, j) of a is a[i * a_outer + j * a_inner]; a_inner is 0 or 1, as b's.
struct Broadcast {
  int64_t outer, inner, a_outer, a_inner, b_outer, b_inner;
};
void map_binary(Binary op, const Broadcast& shape, const float* a, const float* b, float* y);

// Over rows of x [rows, n].
void reduce_rows(Reduction op, int64_t rows, int64_t n, const float* x, float* y);
void softmax_rows(int64_t rows, int64_t n, const float* x, float* y);
void arg_max_rows(int64_t rows, int64_t n, const float* x, int32_t* y);
// Of rows of logits [rows, n]: best [rows], where the largest is; and for each of `count` targets, in the row `places`
// says, log_probabilities [count].
struct TokenScores {
  int64_t rows, n, count;
  const float* logits;
  const int32_t *places, *targets;
  float* log_probabilities;
  int32_t* best;
};
void token_scores(const TokenScores& scores);
double sum_of_squares(int64_t n, const float* x);
void column_sums(int64_t rows, int64_t n, const float* x, float* y);

void fill(int64_t n, float value, float* y);

// A copy of a block of four axes; strides are in elements.
struct Copy {
  int64_t sizes[4], from[4], to[4];
};
void copy_block(const Copy& copy, const float* x, float* y);

// y [n, size] = rows of table, and its gradient: table_grad [rows, size] from dy.
void gather_rows(int64_t n, int64_t size, const float* table, const int32_t* ids, float* y);
void scatter_add(int64_t n, int64_t rows, int64_t size, const int32_t* ids, const float* dy, float* table_grad);

// stats [rows, 2]: each row's mean and 1 / standard deviation.
void layer_norm(int64_t rows, int64_t n, const float* x, const float* weight, const float* bias, float epsilon,
                float* y, float* stats);
void layer_norm_grad(int64_t rows, int64_t n, const float* x, const float* stats, const float* weight,
                     const float* dy, float* dx, float* weight_grad, float* bias_grad);

// stats [rows]: 1 / the root of each row's mean square; y = x stats (weight + offset).
void rms_norm(int64_t rows, int64_t n, const float* x, const float* weight, float offset, float epsilon, float* y,
              float* stats);
// weight_grad may be null.
void rms_norm_grad(int64_t rows, int64_t n, const float* x, const float* stats, const float* weight, float offset,
                   const float* dy, float* dx, float* weight_grad);

// Rotates the heads of x [rows, heads, size], row r to place r % places of the tables [places, half]; or back.
struct Rotation {
  int64_t rows, places, heads, size, half;
  const float *x, *cosines, *sines;
  bool back;
};
void rotate(const Rotation& rotation, float* y);

void gated(Activation activation, int64_t n, const float* gate, const float* up, float* y);
void gated_grad(Activation activation, int64_t n, const float* gate, const float* up, const float* dy,
                float* gate_grad, float* up_grad);

void activation_grad(Activation activation, int64_t n, const float* z, const float* dy, float* dz);

void adamw(const AdamW& options, int64_t n, float* parameter, float* mean, float* square, const float* gradient);

// The zero logits of q [batch, tokens, heads * size], with tokens `stride` apart: [batch, heads, tokens].
struct ZeroLogits {
  int64_t batch, tokens, heads, size, stride;
  const float *q, *zero;  // zero: [heads, size]
  float scale;
};
void zero_logits(const ZeroLogits& shape, float* logits);
// Adds to q_grad, which lies as q does; zero_grad [heads, size].
void zero_logits_grad(const ZeroLogits& shape, const float* logits_grad, float* q_grad, float* zero_grad);

// q is [batch, tokens, heads * size] with tokens q_stride apart, k and v [batch, tokens, kv_heads * size] with tokens
// kv_stride apart, and their gradients too; out is dense. Neighbouring heads share a head of keys and values.
struct Attention {
  int64_t batch, tokens, heads, kv_heads, size, q_stride, kv_stride;
  int64_t window;  // the last keys that a query sees, its own among them
  const float *q, *k, *v;
  const float* zero_logits;  // [batch, heads, tokens], or null for no zero token
  float scale;
};
// lse and zero_part: [batch, heads, tokens]; zero_part may be null. So zero_grad, which is by the zero logits.
void attention(const Attention& shape, float* out, float* lse, float* zero_part);
void attention_grad(const Attention& shape, const float* out, const float* lse, const float* out_grad, float* q_grad,
                    float* k_grad, float* v_grad, float* zero_grad);

// Attention of queries in strands, each a run of queries over keys of its own; see StrandHead. Rows of q, k and v are
// q_stride, ... apart; out is dense.
struct Strands {
  int64_t queries, heads, kv_heads, size, count;
  int64_t window;  // the last keys that a query sees of those it may see
  const float *q, *k, *v;
  int64_t q_stride, k_stride, v_stride;
  const float* zero_logits;  // [queries, heads], or null for no zero token
  float scale;
  const int32_t* strands;  // [count, 2]: queries, ranges
  const int32_t* ranges;   // of all strands in turn
  const int32_t* seen;     // [queries]
};
// inverse and zero_part: [queries, heads]; zero_part may be null.
void strand_attention(const Strands& shape, float* out, float* inverse, float* zero_part);
// The weights: for each query, for each head, its strand's keys, rounded up to kWeightColumns.
constexpr int64_t kWeightColumns = 16;
int64_t strand_weights_size(const Strands& shape);
void strand_weights(const Strands& shape, float* weights, float* inverse, float* zero_part);
// The values of some of those queries. `kept` [queries of all strands]: 1 for a query that is wanted. `shape` is as it
// was but for v and `ranges`, which may lie elsewhere; out has the rows of the queries that are kept, in order.
void strand_values(const Strands& shape, const int32_t* kept, const float* weights, const float* inverse, float* out);

// The weighted sum of the cross-entropies of state [rows, width] times weight [vocabulary, width], transposed, in
// chunks of rows. With gradients, those of state and weight too. logits: [chunk, vocabulary], to work in.
struct HeadLoss {
  int64_t rows, width, vocabulary, chunk;
  const float *state, *weight;
  const int32_t* targets;
  const float* row_weights;
  float* logits;
  float *state_grad, *weight_grad;  // null for the loss alone; weight_grad may be null alone
};
double head_loss(const HeadLoss& head);

}  // namespace ztt

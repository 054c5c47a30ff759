// The table of the kernels above. Included last by each kernels_*.cc.

static constexpr Kernels table = {
    unary,           binary,          sum,         sum_squares,     max,   softmax,       layer_norm,
    layer_norm_grad, layer_norm_sums, rms_norm, rms_norm_grad, rms_norm_sums, rotate, gated, gated_grad, column_sums, activation_grad, adamw, cross_entropy, sum_exponentials, zero_logits,
    zero_logits_grad, attention_grad_scratch, attention_grad,  strand_scratch, strand_attention, strand_weights, strand_values,
};

// Elementwise kernels. Included by each kernels_*.cc; see simd_body.h.

static const float kGeluFactor = 1.5957691216057308f;  // 2 sqrt(2 / pi)
static const float kGeluCubic = 0.044715f;

static inline vf gelu_argument(vf x) {
  return x * fma(x * x, splat(kGeluFactor * kGeluCubic), splat(kGeluFactor));
}

static inline vf normal_cdf(vf x) { return 0.5f * (1.0f + error_function(x * 0.70710678118654752f)); }

// Calls f(p, n) for whole vectors and for the tail, which has n < LANES elements.
#define FOR_VECTORS(n, whole, tail)                 \
  do {                                              \
    int64_t i = 0;                                  \
    for (; i + LANES <= (n); i += LANES) { whole; } \
    if (i < (n)) {                                  \
      const int64_t rest = (n)-i;                   \
      tail;                                         \
    }                                               \
  } while (0)

#define MAP(expression)                                                          \
  FOR_VECTORS(                                                                   \
      n, const vf v = load(x + i); store(y + i, expression),                     \
      const vf v = load_part(x + i, rest, 1.0f); store_part(y + i, expression, rest)); \
  break

static void unary(Unary op, const float* x, float* y, int64_t n) {
  switch (op) {
    case Unary::relu: MAP(v < vf{} ? vf{} : v);
    // 1 above zero, 0 up to it; NaN stays NaN.
    case Unary::step: MAP(v > vf{} ? splat(1.0f) : (v <= vf{} ? vf{} : v));
    case Unary::square: MAP(v * v);
    case Unary::sqrt: MAP(root(v));
    case Unary::rsqrt: MAP(1.0f / root(v));
    case Unary::neg: MAP(-v);
    case Unary::exp: MAP(exponential(v));
    case Unary::tanh: MAP(hyperbolic_tangent(v));
    case Unary::erf: MAP(error_function(v));
    case Unary::sigmoid: MAP(sigmoid(v));
    case Unary::gelu_new: MAP(v * sigmoid(gelu_argument(v)));
    case Unary::gelu: MAP(v * normal_cdf(v));
    case Unary::silu: MAP(v * sigmoid(v));
    case Unary::count: break;
  }
}

#undef MAP

static inline vf operand(const float* p, int64_t i, int64_t step, int64_t rest) {
  if (step == 0) return splat(*p);
  return rest == LANES ? load(p + i) : load_part(p + i, rest, 1.0f);
}

template <Binary op>
static inline vf combine(vf a, vf b) {
  if (op == Binary::add) return a + b;
  if (op == Binary::sub) return a - b;
  if (op == Binary::mul) return a * b;
  return a / b;
}

template <Binary op>
static void binary_of(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n) {
  if (a_step && b_step) {
    FOR_VECTORS(n, store(y + i, combine<op>(load(a + i), load(b + i))),
                store_part(y + i, combine<op>(operand(a, i, 1, rest), operand(b, i, 1, rest)), rest));
    return;
  }
  FOR_VECTORS(n, store(y + i, combine<op>(operand(a, i, a_step, LANES), operand(b, i, b_step, LANES))),
              store_part(y + i, combine<op>(operand(a, i, a_step, rest), operand(b, i, b_step, rest)), rest));
}

static void binary(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t n) {
  switch (op) {
    case Binary::add: return binary_of<Binary::add>(a, a_step, b, b_step, y, n);
    case Binary::sub: return binary_of<Binary::sub>(a, a_step, b, b_step, y, n);
    case Binary::mul: return binary_of<Binary::mul>(a, a_step, b, b_step, y, n);
    case Binary::div: return binary_of<Binary::div>(a, a_step, b, b_step, y, n);
    case Binary::count: return;
  }
}

// x s + x s (1 - s) u', the derivative of x sigmoid(u(x)).
static inline vf sigmoid_product_slope(vf x, vf s, vf du) { return s * fma(x * (1.0f - s), du, splat(1.0f)); }

static inline vf slope(Activation activation, vf x) {
  switch (activation) {
    case Activation::gelu_new: {
      const vf du = fma(x * x, splat(3 * kGeluFactor * kGeluCubic), splat(kGeluFactor));
      return sigmoid_product_slope(x, sigmoid(gelu_argument(x)), du);
    }
    case Activation::gelu: {
      const vf density = exponential(x * x * -0.5f) * 0.3989422804014327f;
      return fma(x, density, normal_cdf(x));
    }
    case Activation::relu: return x > vf{} ? splat(1.0f) : vf{};
    case Activation::silu: return sigmoid_product_slope(x, sigmoid(x), splat(1.0f));
    case Activation::none:
    case Activation::count: break;
  }
  return splat(1.0f);
}

static inline vf activated(Activation activation, vf x) {
  switch (activation) {
    case Activation::gelu_new: return x * sigmoid(gelu_argument(x));
    case Activation::gelu: return x * normal_cdf(x);
    case Activation::relu: return x < vf{} ? vf{} : x;
    case Activation::silu: return x * sigmoid(x);
    case Activation::none:
    case Activation::count: break;
  }
  return x;
}

static void gated(Activation activation, const float* gate, const float* up, float* y, int64_t n) {
  FOR_VECTORS(n, store(y + i, activated(activation, load(gate + i)) * load(up + i)),
              store_part(y + i, activated(activation, load_part(gate + i, rest, 0)) * load_part(up + i, rest, 0), rest));
}

static void gated_grad(Activation activation, const float* gate, const float* up, const float* dy, float* gate_grad,
                       float* up_grad, int64_t n) {
#define STEP(get, put)                                          \
  const vf g = get(gate), d = get(dy);                          \
  put(gate_grad, d * get(up) * slope(activation, g));           \
  put(up_grad, d * activated(activation, g))
#define GET(p) load(p + i)
#define PUT(p, x) store(p + i, x)
#define GET_PART(p) load_part(p + i, rest, 0)
#define PUT_PART(p, x) store_part(p + i, x, rest)
  FOR_VECTORS(n, STEP(GET, PUT), STEP(GET_PART, PUT_PART));
#undef STEP
#undef GET
#undef PUT
#undef GET_PART
#undef PUT_PART
}

static void rotate(const float* x, const float* cosines, const float* sines, bool back, float* y, int64_t size,
                   int64_t half) {
  const float* other = x + half;
  float* to = y + half;
  const float sign = back ? -1.0f : 1.0f;
#define TURN(get, put)                                           \
  const vf a = get(x), b = get(other), c = get(cosines), s = get(sines) * sign; \
  put(y, a * c - b * s);                                         \
  put(to, b * c + a * s)
#define GET(p) load(p + i)
#define PUT(p, x) store(p + i, x)
#define GET_PART(p) load_part(p + i, rest, 0)
#define PUT_PART(p, x) store_part(p + i, x, rest)
  FOR_VECTORS(half, TURN(GET, PUT), TURN(GET_PART, PUT_PART));
#undef TURN
#undef GET
#undef PUT
#undef GET_PART
#undef PUT_PART
  for (int64_t i = 2 * half; i < size; i++) y[i] = x[i];
}

static void activation_grad(Activation activation, const float* z, const float* dy, float* dz, int64_t n) {
  FOR_VECTORS(n, store(dz + i, load(dy + i) * slope(activation, load(z + i))),
              store_part(dz + i, load_part(dy + i, rest, 0) * slope(activation, load_part(z + i, rest, 0)), rest));
}

static void adamw(const AdamW& o, float* parameter, float* mean, float* square, const float* gradient, int64_t n) {
  const float keep1 = 1 - o.beta1, keep2 = 1 - o.beta2;
  const float inverse = 1 / o.square_correction;
#define STEP(get, put)                                      \
  const vf g = get(gradient) * o.scale;                     \
  const vf m = fma(get(mean), splat(o.beta1), g * keep1);   \
  const vf s = fma(get(square), splat(o.beta2), g * g * keep2); \
  const vf change = m * o.rate / fma(root(s), splat(inverse), splat(o.epsilon)); \
  put(mean, m);                                             \
  put(square, s);                                           \
  put(parameter, get(parameter) * o.decay - change)
#define GET(p) load(p + i)
#define PUT(p, x) store(p + i, x)
#define GET_PART(p) load_part(p + i, rest, 0)
#define PUT_PART(p, x) store_part(p + i, x, rest)
  FOR_VECTORS(n, STEP(GET, PUT), STEP(GET_PART, PUT_PART));
#undef STEP
#undef GET
#undef PUT
#undef GET_PART
#undef PUT_PART
}

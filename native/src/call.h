// A call from JavaScript: its arguments, checked before they are used.
#pragma once
#include <node_api.h>

#include <cstdint>

namespace ztt {

// What is wrong with a call; becomes a JavaScript RangeError.
struct Refusal {
  const char* what;
  int argument;  // its place, from 1; 0 if no single one is to blame
};

// The product of sizes. Throws Refusal where it would not fit.
int64_t times(int64_t a, int64_t b);
template <typename... More>
int64_t times(int64_t a, int64_t b, More... more) {
  return times(times(a, b), more...);
}

class Call {
 public:
  // Throws Refusal unless there are `count` arguments.
  Call(napi_env env, napi_callback_info info, int count);

  // A whole number from 0 to `most`.
  int64_t size(int i, int64_t most = int64_t{1} << 40) const;
  float number(int i) const;
  bool flag(int i) const;

  // The elements of a Float32Array of at least `least`, from its own offset on.
  float* floats(int i, int64_t least) const;
  // The same, or null where the argument is null.
  float* maybe_floats(int i, int64_t least) const;
  int32_t* ints(int i, int64_t least) const;
  // Those of a Uint8Array, which may lie in memory that threads share.
  const uint8_t* bytes(int i, int64_t least) const;
  // Exactly `count` whole numbers, not negative, from a Float64Array.
  void sizes(int i, int count, int64_t* to) const;
  int64_t length(int i) const;

  napi_env env() const { return env_; }

 private:
  static constexpr int kMost = 24;
  void* elements(int i, napi_typedarray_type type, int64_t least) const;
  bool is_null(int i) const;

  napi_env env_;
  napi_value values_[kMost];
};

// A function for JavaScript. What it throws becomes a JavaScript error.
using Function = napi_value (*)(const Call&);
struct Entry {
  const char* name;
  int arguments;
  Function run;
};

void define(napi_env env, napi_value exports, const Entry* entries, int count);

void define_products(napi_env env, napi_value exports);
void define_tensor_kernels(napi_env env, napi_value exports);
void define_fused_kernels(napi_env env, napi_value exports);
void define_strands(napi_env env, napi_value exports);
void define_hashes(napi_env env, napi_value exports);

}  // namespace ztt

// A call from JavaScript: its arguments, checked before they are used.
#pragma once
#include <node_api.h>

#include <cstdint>

#include "names.h"

namespace ztt {

// What is wrong with a call; becomes a JavaScript RangeError.
struct Refusal {
  static constexpr int kNone = -1;
  const char* what;
  int argument;           // its place; kNone if no single one is to blame
  int64_t given = kNone;  // its size, where that is to blame,
  int64_t limit = kNone;  // and the size that it must have at least or may have at most
};

// Node-API failed; becomes a JavaScript Error.
struct NodeFailure {
  const char* what;
  napi_status status;
};

// Throws NodeFailure unless Node-API did what it was asked for.
inline void must(napi_status status, const char* what) {
  if (status != napi_ok) throw NodeFailure{what, status};
}

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
  // One of an enumeration, by its number.
  template <typename Enum>
  Enum choice(int i) const {
    return static_cast<Enum>(size(i, static_cast<int64_t>(Enum::count) - 1));
  }

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

  // Values for JavaScript.
  napi_value number_value(double value) const;
  napi_value flag_value(bool value) const;
  napi_value text_value(const char* text) const;

  napi_env env() const { return env_; }

 private:
  static constexpr int kMost = 32;
  void* elements(int i, napi_typedarray_type type, int64_t least) const;
  bool is_null(int i) const;

  napi_env env_;
  napi_value values_[kMost];
};

// A function for JavaScript. What it throws becomes a JavaScript error.
using Function = napi_value (*)(const Call&);
struct Entry {
  const char* name;
  const char* arguments;  // their names, in order
  int count;
  Function run;
};

// A function with the arguments of ZTT_ARGUMENTS.
template <typename Arguments>
constexpr Entry entry(Function run) {
  return {Arguments::kName, Arguments::kArguments, Arguments::kCount, run};
}

// What the addon exports: functions, and by their names `signatures`, the names of their arguments.
struct Exports {
  napi_env env;
  napi_value functions, signatures;
};

void define(const Exports& exports, const Entry* entries, int count);
template <int N>
void define(const Exports& exports, const Entry (&entries)[N]) {
  define(exports, entries, N);
}

void define_products(const Exports& exports);
void define_tensor_kernels(const Exports& exports);
void define_fused_kernels(const Exports& exports);
void define_strands(const Exports& exports);
void define_hashes(const Exports& exports);

}  // namespace ztt

#include "call.h"

#include <cstdio>
#include <exception>

namespace ztt {
namespace {

constexpr double kMostSize = 1099511627776.0;  // 2^40

bool whole(double value, double most) {
  return value >= 0 && value <= most && value == static_cast<double>(static_cast<int64_t>(value));
}

napi_value enter(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const Entry& entry = *static_cast<const Entry*>(data);
  char message[160];
  try {
    return entry.run(Call(env, info, entry.arguments));
  } catch (const Refusal& refusal) {
    snprintf(message, sizeof message, "%s: argument %d: %s", entry.name, refusal.argument, refusal.what);
    napi_throw_range_error(env, nullptr, message);
  } catch (const std::exception& error) {
    snprintf(message, sizeof message, "%s: %s", entry.name, error.what());
    napi_throw_error(env, nullptr, message);
  }
  return nullptr;
}

}  // namespace

int64_t times(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw Refusal{"sizes whose product is too large", 0};
  return product;
}

Call::Call(napi_env env, napi_callback_info info, int count) : env_(env) {
  size_t given = kMost;
  napi_get_cb_info(env, info, &given, values_, nullptr, nullptr);
  if (given != static_cast<size_t>(count)) throw Refusal{"another number of arguments was expected", 0};
}

int64_t Call::size(int i, int64_t most) const {
  double value;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok || !whole(value, static_cast<double>(most))) {
    throw Refusal{"not a whole number in its range", i + 1};
  }
  return static_cast<int64_t>(value);
}

float Call::number(int i) const {
  double value;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok) throw Refusal{"not a number", i + 1};
  return static_cast<float>(value);
}

bool Call::flag(int i) const {
  bool value;
  if (napi_get_value_bool(env_, values_[i], &value) != napi_ok) throw Refusal{"not a boolean", i + 1};
  return value;
}

bool Call::is_null(int i) const {
  napi_valuetype type;
  return napi_typeof(env_, values_[i], &type) == napi_ok && type == napi_null;
}

float* Call::floats(int i, int64_t least) const {
  return static_cast<float*>(elements(i, napi_float32_array, least));
}

float* Call::maybe_floats(int i, int64_t least) const { return is_null(i) ? nullptr : floats(i, least); }

int32_t* Call::ints(int i, int64_t least) const {
  return static_cast<int32_t*>(elements(i, napi_int32_array, least));
}

const uint8_t* Call::bytes(int i, int64_t least) const {
  return static_cast<const uint8_t*>(elements(i, napi_uint8_array, least));
}

void Call::sizes(int i, int count, int64_t* to) const {
  const double* values = static_cast<const double*>(elements(i, napi_float64_array, count));
  for (int j = 0; j < count; j++) {
    if (!whole(values[j], kMostSize)) throw Refusal{"not whole numbers in their range", i + 1};
    to[j] = static_cast<int64_t>(values[j]);
  }
}

int64_t Call::length(int i) const {
  size_t length;
  if (napi_get_typedarray_info(env_, values_[i], nullptr, &length, nullptr, nullptr, nullptr) != napi_ok) {
    throw Refusal{"not a typed array", i + 1};
  }
  return static_cast<int64_t>(length);
}

void* Call::elements(int i, napi_typedarray_type wanted, int64_t least) const {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env_, values_[i], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != wanted) {
    throw Refusal{"not a typed array of its kind", i + 1};
  }
  if (static_cast<int64_t>(length) < least) throw Refusal{"an array too short for its shape", i + 1};
  return data;
}

void define(napi_env env, napi_value exports, const Entry* entries, int count) {
  for (int i = 0; i < count; i++) {
    napi_value function;
    napi_create_function(env, entries[i].name, NAPI_AUTO_LENGTH, enter, const_cast<Entry*>(&entries[i]), &function);
    napi_set_named_property(env, exports, entries[i].name, function);
  }
}

}  // namespace ztt

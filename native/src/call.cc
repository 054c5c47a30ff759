#include "call.h"

#include <cstdio>
#include <cstring>
#include <exception>

namespace ztt {
namespace {

constexpr double kMostSize = 1099511627776.0;  // 2^40

bool whole(double value, double most) {
  return value >= 0 && value <= most && value == static_cast<double>(static_cast<int64_t>(value));
}

// Of throwing an error: where that fails, and no error is on its way, JavaScript would go on with a wrong result.
void thrown(napi_status status) {
  if (status == napi_ok || status == napi_pending_exception) return;
  napi_fatal_error("ztt", NAPI_AUTO_LENGTH, "Node-API takes no error", NAPI_AUTO_LENGTH);
}

// FUNCTION: ARGUMENT: what is wrong (its size; the limit).
void describe(const Entry& entry, const Refusal& refusal, char* message, size_t size) {
  const char* name = entry.arguments;
  for (int i = 0; i < refusal.argument && name; i++) {
    name = strchr(name, ',');
    if (name) name += 2;
  }
  const int length = refusal.argument == Refusal::kNone || !name ? 0 : static_cast<int>(strcspn(name, ","));
  int at = snprintf(message, size, "%s: %.*s%s%s", entry.name, length, name ? name : "", length ? ": " : "",
                    refusal.what);
  if (refusal.limit == Refusal::kNone || at < 0 || static_cast<size_t>(at) >= size) return;
  snprintf(message + at, size - static_cast<size_t>(at), " (%lld; the limit is %lld)",
           static_cast<long long>(refusal.given), static_cast<long long>(refusal.limit));
}

napi_value enter(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  if (napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data) != napi_ok) {
    thrown(napi_throw_error(env, nullptr, "the addon was called in a way that Node-API does not know"));
    return nullptr;
  }
  const Entry& entry = *static_cast<const Entry*>(data);
  char message[200];
  try {
    return entry.run(Call(env, info, entry.count));
  } catch (const Refusal& refusal) {
    describe(entry, refusal, message, sizeof message);
    thrown(napi_throw_range_error(env, nullptr, message));
  } catch (const NodeFailure& failure) {
    // A JavaScript exception that is on its way says more.
    bool pending = false;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return nullptr;
    snprintf(message, sizeof message, "%s: %s (Node-API status %d)", entry.name, failure.what, failure.status);
    thrown(napi_throw_error(env, nullptr, message));
  } catch (const std::exception& error) {
    snprintf(message, sizeof message, "%s: %s", entry.name, error.what());
    thrown(napi_throw_error(env, nullptr, message));
  }
  return nullptr;
}

}  // namespace

int64_t times(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) throw Refusal{"sizes whose product is too large", Refusal::kNone};
  return product;
}

Call::Call(napi_env env, napi_callback_info info, int count) : env_(env) {
  size_t given = kMost;
  must(napi_get_cb_info(env, info, &given, values_, nullptr, nullptr), "its arguments cannot be had");
  if (given != static_cast<size_t>(count)) {
    throw Refusal{"another number of arguments was expected", Refusal::kNone, static_cast<int64_t>(given), count};
  }
}

int64_t Call::size(int i, int64_t most) const {
  double value;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok || !whole(value, kMostSize)) {
    throw Refusal{"not a whole number in its range", i};
  }
  if (value > static_cast<double>(most)) {
    throw Refusal{"not a whole number in its range", i, static_cast<int64_t>(value), most};
  }
  return static_cast<int64_t>(value);
}

float Call::number(int i) const {
  double value;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok) throw Refusal{"not a number", i};
  return static_cast<float>(value);
}

bool Call::flag(int i) const {
  bool value;
  if (napi_get_value_bool(env_, values_[i], &value) != napi_ok) throw Refusal{"not a boolean", i};
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
    if (!whole(values[j], kMostSize)) throw Refusal{"not whole numbers in their range", i};
    to[j] = static_cast<int64_t>(values[j]);
  }
}

int64_t Call::length(int i) const {
  size_t length;
  if (napi_get_typedarray_info(env_, values_[i], nullptr, &length, nullptr, nullptr, nullptr) != napi_ok) {
    throw Refusal{"not a typed array", i};
  }
  return static_cast<int64_t>(length);
}

void* Call::elements(int i, napi_typedarray_type wanted, int64_t least) const {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env_, values_[i], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != wanted) {
    throw Refusal{"not a typed array of its kind", i};
  }
  if (static_cast<int64_t>(length) < least) {
    throw Refusal{"an array too short for its shape", i, static_cast<int64_t>(length), least};
  }
  return data;
}

napi_value Call::number_value(double value) const {
  napi_value result;
  must(napi_create_double(env_, value, &result), "its result cannot be given");
  return result;
}

napi_value Call::flag_value(bool value) const {
  napi_value result;
  must(napi_get_boolean(env_, value, &result), "its result cannot be given");
  return result;
}

napi_value Call::text_value(const char* text) const {
  napi_value result;
  must(napi_create_string_utf8(env_, text, NAPI_AUTO_LENGTH, &result), "its result cannot be given");
  return result;
}

void define(const Exports& exports, const Entry* entries, int count) {
  const napi_env env = exports.env;
  for (int i = 0; i < count; i++) {
    napi_value function, arguments;
    void* entry = const_cast<Entry*>(&entries[i]);
    must(napi_create_function(env, entries[i].name, NAPI_AUTO_LENGTH, enter, entry, &function), entries[i].name);
    must(napi_set_named_property(env, exports.functions, entries[i].name, function), entries[i].name);
    must(napi_create_string_utf8(env, entries[i].arguments, NAPI_AUTO_LENGTH, &arguments), entries[i].name);
    must(napi_set_named_property(env, exports.signatures, entries[i].name, arguments), entries[i].name);
  }
}

}  // namespace ztt

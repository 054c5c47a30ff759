// The addon's door: settings, memory, and what the other files define.
#include "call.h"
#include "cpu.h"
#include "flops.h"
#include "kernels/ops.h"
#include "kernels/parallel.h"
#include "pool.h"

namespace ztt {
namespace {

// Node 20 takes no more memory from outside.
constexpr int64_t kMostFloats = int64_t{1} << 30;

namespace calls {
ZTT_ARGUMENTS(setThreads, threads);
ZTT_NO_ARGUMENTS(threads);
ZTT_NO_ARGUMENTS(cpu);
ZTT_NO_ARGUMENTS(sanitized);
ZTT_ARGUMENTS(allocate, length);
ZTT_NO_ARGUMENTS(flops);
}  // namespace calls

napi_value set_threads_(const Call& call) {
  set_threads(static_cast<int>(call.size(calls::setThreads::threads, 1024)));
  return nullptr;
}

napi_value threads_(const Call& call) { return call.number_value(threads()); }
napi_value flops_(const Call& call) { return call.number_value(counted_flops()); }
napi_value cpu_(const Call& call) { return call.text_value(cpu_name(cpu())); }

napi_value sanitized(const Call& call) {
#if defined(__SANITIZE_ADDRESS__)
  return call.flag_value(true);
#else
  return call.flag_value(false);
#endif
}

// A Float32Array over our own memory, freed with it. What is in it is left over.
napi_value allocate_(const Call& call) {
  const int64_t count = call.size(calls::allocate::length, kMostFloats);
  float* floats = allocate_floats(count);
  if (!floats) throw Refusal{"more memory than there is", calls::allocate::length};
  napi_value buffer, array;
  const auto release = [](napi_env, void* data, void*) { free_floats(static_cast<float*>(data)); };
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  const napi_status status = napi_create_external_arraybuffer(call.env(), floats, bytes, release, nullptr, &buffer);
  // Node has not taken the memory then. After any other failure it may still free it, so that we must not.
  if (status == napi_no_external_buffers_allowed) free_floats(floats);
  must(status, "memory from outside is not taken");
  must(napi_create_typedarray(call.env(), napi_float32_array, static_cast<size_t>(count), buffer, 0, &array),
       "no array can be made");
  return array;
}

const Entry kEntries[] = {
    entry<calls::setThreads>(set_threads_), entry<calls::threads>(threads_),   entry<calls::cpu>(cpu_),
    entry<calls::sanitized>(sanitized),     entry<calls::allocate>(allocate_), entry<calls::flops>(flops_),
};

// The enumerations whose numbers calls take.
const struct {
  const char *name, *members;
} kEnums[] = {
    {"Unary", kUnaryNames}, {"Binary", kBinaryNames}, {"Reduction", kReductionNames}, {"Activation", kActivationNames}};

napi_value object_in(napi_env env, napi_value exports, const char* name) {
  napi_value object;
  must(napi_create_object(env, &object), name);
  must(napi_set_named_property(env, exports, name, object), name);
  return object;
}

void define_all(napi_env env, napi_value functions) {
  const Exports exports{env, functions, object_in(env, functions, "signatures")};
  define(exports, kEntries);
  define_products(exports);
  define_tensor_kernels(exports);
  define_fused_kernels(exports);
  define_strands(exports);
  define_hashes(exports);
  const napi_value enums = object_in(env, functions, "enums");
  for (const auto& [name, members] : kEnums) {
    napi_value text;
    must(napi_create_string_utf8(env, members, NAPI_AUTO_LENGTH, &text), name);
    must(napi_set_named_property(env, enums, name, text), name);
  }
}

}  // namespace
}  // namespace ztt

NAPI_MODULE_INIT() {
  try {
    ztt::define_all(env, exports);
  } catch (const ztt::NodeFailure& failure) {
    // Without its functions the addon is refused when it is loaded; an error that is on its way says why.
    const napi_status status = napi_throw_error(env, nullptr, failure.what);
    if (status != napi_ok && status != napi_pending_exception) {
      napi_fatal_error("ztt", NAPI_AUTO_LENGTH, failure.what, NAPI_AUTO_LENGTH);
    }
  }
  return exports;
}

// The addon's door: settings, memory, and what the other files define.
#include "call.h"
#include "cpu.h"
#include "flops.h"
#include "kernels/parallel.h"
#include "pool.h"

namespace ztt {
namespace {

napi_value set_threads_(const Call& call) {
  set_threads(static_cast<int>(call.size(0, 1024)));
  return nullptr;
}

napi_value threads_(const Call& call) {
  napi_value result;
  napi_create_int32(call.env(), threads(), &result);
  return result;
}

napi_value flops_(const Call& call) {
  napi_value result;
  napi_create_double(call.env(), counted_flops(), &result);
  return result;
}

napi_value cpu_(const Call& call) {
  napi_value result;
  napi_create_string_utf8(call.env(), cpu_name(cpu()), NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value sanitized(const Call& call) {
  napi_value result;
#if defined(__SANITIZE_ADDRESS__)
  napi_get_boolean(call.env(), true, &result);
#else
  napi_get_boolean(call.env(), false, &result);
#endif
  return result;
}

// A Float32Array over our own memory, freed with it. What is in it is left over.
napi_value allocate_(const Call& call) {
  const int64_t count = call.size(0, int64_t{1} << 32);
  float* floats = allocate_floats(count);
  if (!floats) throw Refusal{"more memory than there is", 1};
  napi_value buffer, array;
  const auto release = [](napi_env, void* data, void*) { free_floats(static_cast<float*>(data)); };
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (napi_create_external_arraybuffer(call.env(), floats, bytes, release, nullptr, &buffer) != napi_ok) {
    free_floats(floats);
    throw Refusal{"this runtime does not take memory from outside", 0};
  }
  napi_create_typedarray(call.env(), napi_float32_array, static_cast<size_t>(count), buffer, 0, &array);
  return array;
}

const Entry kEntries[] = {
    {"setThreads", 1, set_threads_},
    {"threads", 0, threads_},
    {"cpu", 0, cpu_},
    {"sanitized", 0, sanitized},
    {"allocate", 1, allocate_},
    {"flops", 0, flops_},
};

}  // namespace
}  // namespace ztt

NAPI_MODULE_INIT() {
  ztt::define(env, exports, ztt::kEntries, 6);
  ztt::define_products(env, exports);
  ztt::define_tensor_kernels(env, exports);
  ztt::define_fused_kernels(env, exports);
  ztt::define_strands(env, exports);
  ztt::define_hashes(env, exports);
  return exports;
}

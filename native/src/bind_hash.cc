// Two sha256 at once, for JavaScript.
#include "call.h"
#include "sha256.h"

namespace ztt {
namespace {

constexpr int64_t kBlockBytes = 64, kStateWords = 8;

napi_value has_sha256_(const Call& call) {
  napi_value result;
  napi_get_boolean(call.env(), has_sha256(), &result);
  return result;
}

HashBlocks blocks(const Call& call, int state, int bytes) {
  const int64_t length = call.length(bytes);
  if (length % kBlockBytes != 0) throw Refusal{"no whole number of blocks", bytes + 1};
  uint32_t* words = reinterpret_cast<uint32_t*>(call.ints(state, kStateWords));
  return {words, call.bytes(bytes, length), length / kBlockBytes};
}

// (state, blocks, other state, other blocks): states are Int32Arrays of 8, blocks a multiple of 64 bytes each.
napi_value sha256_pair_(const Call& call) {
  if (!has_sha256()) throw Refusal{"this CPU has no instructions for it", 0};
  const HashBlocks one = blocks(call, 0, 1), other = blocks(call, 2, 3);
  if (one.state == other.state) throw Refusal{"the same hash twice", 3};
  sha256_pair(one, other);
  return nullptr;
}

const Entry kEntries[] = {
    {"hasSha256", 0, has_sha256_},
    {"sha256Pair", 4, sha256_pair_},
};

}  // namespace

void define_hashes(napi_env env, napi_value exports) { define(env, exports, kEntries, 2); }

}  // namespace ztt

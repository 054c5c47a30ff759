// Two sha256 at once, for JavaScript.
#include "call.h"
#include "sha256.h"

namespace ztt {
namespace {

namespace calls {
ZTT_NO_ARGUMENTS(hasSha256);
ZTT_ARGUMENTS(sha256Pair, state, blocks, otherState, otherBlocks);
}  // namespace calls

constexpr int64_t kBlockBytes = 64, kStateWords = 8;

napi_value has_sha256_(const Call& call) { return call.flag_value(has_sha256()); }

HashBlocks blocks(const Call& call, int state, int bytes) {
  const int64_t length = call.length(bytes);
  if (length % kBlockBytes != 0) throw Refusal{"no whole number of blocks", bytes};
  uint32_t* words = reinterpret_cast<uint32_t*>(call.ints(state, kStateWords));
  return {words, call.bytes(bytes, length), length / kBlockBytes};
}

// States are Int32Arrays of 8, blocks a multiple of 64 bytes each.
napi_value sha256_pair_(const Call& call) {
  if (!has_sha256()) throw Refusal{"this CPU has no instructions for it", Refusal::kNone};
  using A = calls::sha256Pair;
  const HashBlocks one = blocks(call, A::state, A::blocks), other = blocks(call, A::otherState, A::otherBlocks);
  if (one.state == other.state) throw Refusal{"the same hash twice", A::otherState};
  sha256_pair(one, other);
  return nullptr;
}

const Entry kEntries[] = {entry<calls::hasSha256>(has_sha256_), entry<calls::sha256Pair>(sha256_pair_)};

}  // namespace

void define_hashes(const Exports& exports) { define(exports, kEntries); }

}  // namespace ztt

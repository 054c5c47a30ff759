// The compression function of SHA-256 (FIPS 180-4), of one or two hashes at once. A round waits for the one before it,
// so a CPU with instructions for it does the rounds of two hashes in the time of one's. Plain data and pointers only, as
// in gemm_isa.h.
#pragma once
#include <cstdint>

namespace ztt {

// Blocks of 64 bytes, and the eight words that they change.
struct HashBlocks {
  uint32_t* state;
  const uint8_t* bytes;
  int64_t count;
};

// Whether this CPU has the instructions (and ZTT_CPU does not ask for `portable`); there is no other form here.
bool has_sha256();

void sha256_pair(HashBlocks one, HashBlocks other);

}  // namespace ztt

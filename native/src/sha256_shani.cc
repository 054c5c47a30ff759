#if defined(__SHA__) && defined(__SSE4_1__)
#include <immintrin.h>

#include "sha256.h"

namespace ztt {
namespace {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
alignas(16) const uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// A hash in registers, its words in the order that the instructions want: a, b, e, f and c, d, g, h.
struct Lane {
  __m128i abef, cdgh;

  explicit Lane(const uint32_t* state) {
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state)), 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4)), 0x1b);
    abef = _mm_alignr_epi8(badc, hgfe, 8);
    cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
  }

  void store(uint32_t* state) const {
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
  }
};

// 64 rounds of N blocks, side by side: four rounds at a time, while the words of the rounds 16 later are made.
template <int N>
inline __attribute__((always_inline)) void add_blocks(Lane* lanes, const uint8_t* const* blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i words[N][4], abef[N], cdgh[N];
  for (int n = 0; n < N; n++) {
    abef[n] = lanes[n].abef;
    cdgh[n] = lanes[n].cdgh;
    for (int i = 0; i < 4; i++) {
      const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[n] + 16 * i));
      words[n][i] = _mm_shuffle_epi8(loaded, big_endian);
    }
  }
#pragma GCC unroll 16
  for (int four = 0; four < 16; four++) {
    const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds + 4 * four));
    for (int n = 0; n < N; n++) {
      __m128i& now = words[n][four % 4];
      const __m128i last = words[n][(four + 3) % 4];
      const __m128i sum = _mm_add_epi32(now, constants);
      cdgh[n] = _mm_sha256rnds2_epu32(cdgh[n], abef[n], sum);
      abef[n] = _mm_sha256rnds2_epu32(abef[n], cdgh[n], _mm_shuffle_epi32(sum, 0x0e));
      if (four < 12) {
        const __m128i seven_before = _mm_alignr_epi8(last, words[n][(four + 2) % 4], 4);
        const __m128i partial = _mm_sha256msg1_epu32(now, words[n][(four + 1) % 4]);
        now = _mm_sha256msg2_epu32(_mm_add_epi32(partial, seven_before), last);
      }
    }
  }
  for (int n = 0; n < N; n++) {
    lanes[n].abef = _mm_add_epi32(lanes[n].abef, abef[n]);
    lanes[n].cdgh = _mm_add_epi32(lanes[n].cdgh, cdgh[n]);
  }
}

}  // namespace

void sha256_pair_shani(HashBlocks one, HashBlocks other) {
  Lane lanes[2] = {Lane(one.state), Lane(other.state)};
  const uint8_t* blocks[2] = {one.bytes, other.bytes};
  for (; one.count > 0 && other.count > 0; one.count--, other.count--, blocks[0] += 64, blocks[1] += 64) {
    add_blocks<2>(lanes, blocks);
  }
  for (; one.count > 0; one.count--, blocks[0] += 64) add_blocks<1>(lanes, blocks);
  for (; other.count > 0; other.count--, blocks[1] += 64) add_blocks<1>(lanes + 1, blocks + 1);
  lanes[0].store(one.state);
  lanes[1].store(other.state);
}

}  // namespace ztt
#endif

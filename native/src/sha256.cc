#include "sha256.h"

#include "cpu.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ztt {

#if defined(__x86_64__)
void sha256_pair_shani(HashBlocks one, HashBlocks other);  // sha256_shani.cc

namespace {
bool detect() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  const bool ssse3 = c & (1u << 9), sse41 = c & (1u << 19);
  return ssse3 && sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}
}  // namespace

bool has_sha256() {
  static const bool has = cpu() != Cpu::portable && detect();
  return has;
}

void sha256_pair(HashBlocks one, HashBlocks other) { sha256_pair_shani(one, other); }
#else
bool has_sha256() { return false; }

void sha256_pair(HashBlocks, HashBlocks) {}
#endif

}  // namespace ztt

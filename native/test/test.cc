#include "test.h"

#include <atomic>
#include <cmath>
#include <cstdio>

namespace {
std::atomic<long> checked{0}, failed{0};
}

long checks() { return checked; }
long failures() { return failed; }

void expect(bool holds, const char* what) {
  checked++;
  if (!holds && failed++ < 20) std::printf("failed: %s\n", what);
}

void expect_near(double value, double wanted, double bound, const char* what, int64_t m, int64_t n, int64_t k) {
  checked++;
  if (std::fabs(value - wanted) <= bound) return;
  if (failed++ < 20) {
    std::printf("failed: %s (%ld, %ld, %ld): %.9g, not %.9g, bound %.3g\n", what, static_cast<long>(m),
                static_cast<long>(n), static_cast<long>(k), value, wanted, bound);
  }
}

std::vector<float> randoms(int64_t count, uint32_t seed) {
  std::vector<float> values(count);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(static_cast<int32_t>(state >> 32)) * 0x1p-31f;
  }
  return values;
}

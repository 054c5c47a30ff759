// A quick look at the speed; bench/sgemm compares.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cpu.h"
#include "gemm.h"
#include "pool.h"
#include "test.h"

namespace {

struct Case {
  const char* name;
  int64_t batch;
  bool ta, tb;
  int64_t m, n, k;
};

const Case cases[] = {
    {"x W", 1, false, false, 1024, 2304, 768},      {"x W", 1, false, false, 1024, 768, 768},
    {"x W", 1, false, false, 1024, 3072, 768},      {"x W", 1, false, false, 1024, 768, 3072},
    {"dW", 1, true, false, 768, 2304, 1024},        {"dW", 1, true, false, 3072, 768, 1024},
    {"dX", 1, false, true, 1024, 768, 2304},        {"dX", 1, false, true, 1024, 768, 3072},
    {"head", 1, false, true, 512, 50257, 768},      {"head dX", 1, false, false, 512, 768, 50257},
    {"head dW", 1, true, false, 50257, 768, 512},   {"one row", 1, false, false, 1, 3072, 768},
    {"one row, head", 1, false, true, 1, 50257, 768}, {"q k'", 48, false, true, 256, 256, 64},
    {"p v", 48, false, false, 256, 64, 256},        {"p' do", 48, true, false, 256, 64, 256},
};

}  // namespace

int time_products() {
  using clock = std::chrono::steady_clock;
  std::printf("%s, %d threads\n", ztt::cpu_name(ztt::cpu()), ztt::threads());
  for (const Case& t : cases) {
    const auto a = randoms(t.batch * t.m * t.k, 1), b = randoms(t.batch * t.k * t.n, 2);
    std::vector<float> c(t.batch * t.m * t.n);
    std::vector<double> seconds;
    const auto until = clock::now() + std::chrono::milliseconds(700);
    while (seconds.size() < 5 || clock::now() < until) {
      const auto begun = clock::now();
      ztt::sgemm_batched(t.batch, t.ta, t.tb, t.m, t.n, t.k, a.data(), t.ta ? t.m : t.k, t.m * t.k, b.data(),
                         t.tb ? t.k : t.n, t.k * t.n, c.data(), t.n, t.m * t.n, false);
      seconds.push_back(std::chrono::duration<double>(clock::now() - begun).count());
    }
    std::sort(seconds.begin(), seconds.end());
    const double work = 2.0 * t.batch * t.m * t.n * t.k * 1e-9;
    std::printf("%-14s %3ld x %5ld x %5ld x %5ld: median %7.1f, best %7.1f GFLOP/s\n", t.name, static_cast<long>(t.batch),
                static_cast<long>(t.m), static_cast<long>(t.n), static_cast<long>(t.k),
                work / seconds[seconds.size() / 2], work / seconds[0]);
  }
  return 0;
}

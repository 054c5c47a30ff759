// A quick look at the speed, and the side of bench/sgemm that is ours.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

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

using Clock = std::chrono::steady_clock;

// The matrices of one case, and what a call takes.
class Timed {
 public:
  Timed(const Case& t)
      : t_(t), a_(randoms(t.batch * t.m * t.k, 1)), b_(randoms(t.batch * t.k * t.n, 2)), c_(t.batch * t.m * t.n) {}
  double seconds() {
    const auto begun = Clock::now();
    if (t_.batch == 1) {
      ztt::sgemm(t_.ta, t_.tb, t_.m, t_.n, t_.k, a_.data(), t_.ta ? t_.m : t_.k, b_.data(), t_.tb ? t_.k : t_.n,
                 c_.data(), t_.n, false, {});
    } else {
      ztt::sgemm_batched(t_.batch, t_.ta, t_.tb, t_.m, t_.n, t_.k, a_.data(), t_.ta ? t_.m : t_.k, t_.m * t_.k,
                         b_.data(), t_.tb ? t_.k : t_.n, t_.k * t_.n, c_.data(), t_.n, t_.m * t_.n, false);
    }
    return std::chrono::duration<double>(Clock::now() - begun).count();
  }

 private:
  Case t_;
  std::vector<float> a_, b_, c_;
};

}  // namespace

int time_products() {
  std::printf("%s, %d threads\n", ztt::cpu_name(ztt::cpu()), ztt::threads());
  for (const Case& t : cases) {
    Timed timed(t);
    std::vector<double> seconds;
    const auto until = Clock::now() + std::chrono::milliseconds(700);
    while (seconds.size() < 5 || Clock::now() < until) seconds.push_back(timed.seconds());
    std::sort(seconds.begin(), seconds.end());
    const double work = 2.0 * t.batch * t.m * t.n * t.k * 1e-9;
    std::printf("%-14s %3ld x %5ld x %5ld x %5ld: median %7.1f, best %7.1f GFLOP/s\n", t.name, static_cast<long>(t.batch),
                static_cast<long>(t.m), static_cast<long>(t.n), static_cast<long>(t.k),
                work / seconds[seconds.size() / 2], work / seconds[0]);
  }
  return 0;
}

// A line "batch ta tb m n k" sets the case; a line "go calls" times that many and answers with their seconds.
int serve_products() {
  char line[256];
  std::unique_ptr<Timed> timed;
  while (std::fgets(line, sizeof line, stdin)) {
    long batch, ta, tb, m, n, k, calls;
    if (std::sscanf(line, "go %ld", &calls) == 1 && timed) {
      double seconds = 0;
      for (long i = 0; i < calls; i++) seconds += timed->seconds();
      std::printf("%.9f\n", seconds);
    } else if (std::sscanf(line, "%ld %ld %ld %ld %ld %ld", &batch, &ta, &tb, &m, &n, &k) == 6) {
      timed = std::make_unique<Timed>(Case{"", batch, ta != 0, tb != 0, m, n, k});
      timed->seconds();
      std::printf("0\n");
    }
    std::fflush(stdout);
  }
  return 0;
}

// The engine's test program: products against sums in double precision, and what must not change a bit.
//
//   engine-test [time | serve]    ZTT_CPU chooses the instruction set, ZTT_TEST_THREADS the threads
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "cpu.h"
#include "gemm.h"
#include "pool.h"
#include "test.h"

using namespace ztt;

namespace {

struct Shape {
  bool ta, tb;
  int64_t m, n, k;
  int64_t pad = 0;  // what the row strides exceed the rows by
  bool accumulate = false;
};

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::gelu_new: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::relu: return x > 0 ? x : 0;
    case Activation::silu: return x / (1 + std::exp(-x));
    default: return x;
  }
}

void check_shape(const Shape& s, Activation activation = Activation::none, bool with_bias = false) {
  const int64_t lda = (s.ta ? s.m : s.k) + s.pad, ldb = (s.tb ? s.k : s.n) + s.pad, ldc = s.n + s.pad;
  // Exactly as long as the matrices, so that the sanitizer sees a read past the end.
  const auto a = randoms(((s.ta ? s.k : s.m) - 1) * lda + (s.ta ? s.m : s.k), 1);
  const auto b = randoms(((s.tb ? s.n : s.k) - 1) * ldb + (s.tb ? s.k : s.n), 2);
  const auto before = randoms((s.m - 1) * ldc + s.n, 3), bias = randoms(s.n, 4);
  auto c = before;
  std::vector<float> kept(activation == Activation::none ? 0 : c.size(), 7.0f);
  Epilogue e;
  e.bias = with_bias ? bias.data() : nullptr;
  e.activation = activation;
  e.before = kept.empty() ? nullptr : kept.data();
  sgemm(s.ta, s.tb, s.m, s.n, s.k, a.data(), lda, b.data(), ldb, c.data(), ldc, s.accumulate, e);
  for (int64_t i = 0; i < s.m; i++) {
    for (int64_t j = 0; j < ldc && i * ldc + j < static_cast<int64_t>(c.size()); j++) {
      const int64_t at = i * ldc + j;
      if (j >= s.n) {
        expect(c[at] == before[at], "the space between rows was written");
        continue;
      }
      if (s.m * s.n > 200000 && (i * 31 + j) % 97) continue;  // a sample of the large ones
      double sum = s.accumulate ? before[at] : 0, size = std::fabs(sum);
      for (int64_t p = 0; p < s.k; p++) {
        const double x = static_cast<double>(s.ta ? a[p * lda + i] : a[i * lda + p]) * (s.tb ? b[j * ldb + p] : b[p * ldb + j]);
        sum += x, size += std::fabs(x);
      }
      if (with_bias) sum += bias[j], size += std::fabs(bias[j]);
      const double bound = 6e-8 * (2 + 0.5 * std::sqrt(static_cast<double>(s.k))) * size + 2e-7;
      if (!kept.empty()) expect_near(kept[at], sum, bound, "before the activation", s.m, s.n, s.k);
      expect_near(c[at], activate(activation, sum), 1.2 * bound, "product", s.m, s.n, s.k);
    }
  }
}

void check_shapes() {
  const int64_t odd[] = {1, 2, 3, 7, 8, 9, 15, 17, 31, 33, 48, 63, 65, 96, 97, 113, 130};
  uint32_t pick = 1;
  for (const int64_t m : odd)
    for (const int64_t n : odd)
      for (const int form : {0, 1, 2, 3}) {
        const int64_t k = odd[(pick = pick * 1664525u + 1013904223u) >> 16 & 15];
        check_shape({(form & 1) != 0, (form & 2) != 0, m, n, k, (pick >> 8) % 3, (pick >> 12 & 1) != 0});
      }
  for (const int form : {0, 1, 2, 3}) {
    const bool ta = form & 1, tb = form & 2;
    check_shape({ta, tb, 300, 200, 1});
    check_shape({ta, tb, 5, 50257, 33});
    check_shape({ta, tb, 130, 257, 769, 5, true});
    check_shape({ta, tb, 1, 770, 1601});
    check_shape({ta, tb, 3001, 65, 70});
    check_shape({ta, tb, 64, 129, 4100, 1});
    check_shape({ta, tb, 257, 1153, 130, 3, true});
  }
  check_shape({true, false, 5003, 40, 1025});
}

void check_epilogue() {
  for (const Activation activation : {Activation::none, Activation::gelu_new, Activation::gelu, Activation::relu, Activation::silu})
    for (const bool bias : {false, true})
      for (const int64_t n : {1, 5, 47, 48, 200, 777}) check_shape({false, false, 67, n, 50, n % 3}, activation, bias);
  check_shape({false, true, 40, 100, 1700}, Activation::gelu_new, true);  // after the last block of k only

  // Far out: no overflow, no wrong sign, and NaN stays.
  const float one = 1, far[] = {-1e30f, -200, -30, -9, -4.1f, 0, 4.1f, 9, 30, 200, 1e30f, NAN};
  for (const int kind : {1, 2, 3, 4}) {
    float c[12];
    Epilogue e;
    e.activation = static_cast<Activation>(kind);
    sgemm(false, false, 1, 12, 1, &one, 1, far, 12, c, 12, false, e);
    for (int i = 0; i < 11; i++) {
      const double want = activate(e.activation, far[i]);
      expect_near(c[i], want, 1e-6 * std::fabs(want) + 3e-6, "activation far out", kind, i, 0);
    }
    expect(std::isnan(c[11]), "NaN went through an activation");
  }
}

void check_batched() {
  for (const int64_t batch : {1, 2, 3, 24})
    for (const int form : {0, 1, 2, 3})
      for (const int64_t t : {1, 7, 129})
        for (const bool shared : {false, true}) {
          const bool ta = form & 1, tb = form & 2;
          const int64_t m = t, n = t + 1, k = 64, size_a = m * k + 3, size_b = shared ? 0 : n * k + 5, size_c = m * n;
          const auto a = randoms(batch * size_a, 5), b = randoms(batch * size_b + n * k, 6);
          auto c = randoms(batch * size_c, 7), want = c;
          const int64_t lda = ta ? m : k, ldb = tb ? k : n;
          sgemm_batched(batch, ta, tb, m, n, k, a.data(), lda, size_a, b.data(), ldb, size_b, c.data(), n, size_c, t == 7);
          for (int64_t i = 0; i < batch; i++) {
            sgemm(ta, tb, m, n, k, a.data() + i * size_a, lda, b.data() + i * size_b, ldb, want.data() + i * size_c, n, t == 7, {});
          }
          expect(!std::memcmp(c.data(), want.data(), c.size() * sizeof(float)), "a batch is not its products");
        }
}

// The same bits whatever the threads, the rows in company and the place among them; from run to run.
void check_invariance() {
  const int threads_before = threads();
  for (const int form : {0, 1, 2, 3})
    for (const int64_t n : {64, 130, 768})
      for (const int64_t k : {64, 800}) {
        const bool ta = form & 1, tb = form & 2;
        const int64_t m = 531;
        const auto a = randoms(m * k, 8), b = randoms(n * k, 9), bias = randoms(n, 10);
        const int64_t lda = ta ? m : k, ldb = tb ? k : n;
        Epilogue e;
        e.bias = bias.data();
        e.activation = Activation::gelu_new;
        std::vector<float> all(m * n), again(m * n);
        sgemm(ta, tb, m, n, k, a.data(), lda, b.data(), ldb, all.data(), n, false, e);
        for (const int count : {1, 2, 3, 5}) {
          set_threads(count);
          sgemm(ta, tb, m, n, k, a.data(), lda, b.data(), ldb, again.data(), n, false, e);
          expect(all == again, "threads changed a result");
        }
        set_threads(threads_before);
        for (const int64_t rows : {1, 2, 9, 15, 33, 200}) {
          for (const int64_t at : {int64_t{0}, int64_t{77}, m - rows}) {
            const float* from = a.data() + (ta ? at : at * lda);
            sgemm(ta, tb, rows, n, k, from, lda, b.data(), ldb, again.data(), n, false, e);
            expect(!std::memcmp(again.data(), all.data() + at * n, rows * n * sizeof(float)), "company changed a row");
          }
        }
      }
}

void add_one(int64_t begin, int64_t end, int thread, void* context) {
  auto& cells = *static_cast<std::vector<int>*>(context);
  expect(thread >= 0 && thread < 64, "thread number");
  for (int64_t i = begin; i < end; i++) cells[i]++;
}

void nested(int64_t begin, int64_t end, int, void* context) {
  auto& rows = *static_cast<std::vector<std::vector<int>>*>(context);
  for (int64_t i = begin; i < end; i++) parallel_for(rows[i].size(), 3, add_one, &rows[i]);
}

void check_pool() {
  const int threads_before = threads();
  for (const int count : {1, 2, 3, 7}) {
    set_threads(count);
    expect(threads() == count, "set_threads");
    for (int round = 0; round < 2000; round++) {
      std::vector<int> cells(round % 61);
      parallel_for(cells.size(), 1 + round % 5, add_one, &cells);
      for (const int cell : cells) expect(cell == 1, "each once");
      if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // let them fall asleep
    }
    std::vector<std::vector<int>> rows(20, std::vector<int>(17));
    parallel_for(rows.size(), 1, nested, &rows);
    for (const auto& row : rows)
      for (const int cell : row) expect(cell == 1, "each once within another");
  }
  // Several callers, as Node's worker threads are.
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; i++) {
    callers.emplace_back([] {
      for (int round = 0; round < 300; round++) {
        std::vector<int> cells(50);
        parallel_for(50, 2, add_one, &cells);
        for (const int cell : cells) expect(cell == 1, "each once, of several callers");
      }
    });
  }
  for (auto& caller : callers) caller.join();
  set_threads(threads_before);
}

}  // namespace

int main(int argc, char** argv) {
  if (const char* count = std::getenv("ZTT_TEST_THREADS")) set_threads(std::atoi(count));
  if (argc > 1 && !std::strcmp(argv[1], "time")) return time_products();
  if (argc > 1 && !std::strcmp(argv[1], "serve")) return serve_products();
  check_pool();
  check_shapes();
  check_epilogue();
  check_batched();
  check_invariance();
  std::printf("%s, %d threads: %ld checks, %ld failed\n", cpu_name(cpu()), threads(), checks(), failures());
  return failures() ? 1 : 0;
}

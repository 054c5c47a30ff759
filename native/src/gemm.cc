// Blocked, packed products. k is cut into even blocks by its length alone; within a block every element of C is one
// chain of multiply-adds in the order of k (gemm_kernels.h), and the blocks are added in order. So neither the other
// cuts, nor what is packed, nor who computes it can be seen in the result.
#include "gemm.h"

#include <atomic>
#include <cstdlib>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu.h"
#include "flops.h"
#include "gemm_isa.h"
#include "pool.h"

namespace ztt {
namespace {

constexpr int64_t kDeepest = 768;            // k steps in a block, at most
constexpr int64_t kPackedA = 8 << 20;        // bytes of A packed at a time
constexpr double kWorthThreads = 1 << 20;    // operations below which waking a thread costs more than it does
constexpr int64_t kHugePage = 2 << 20;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// Memory for packed matrices: one piece a thread and purpose, kept for the next product.
class Scratch {
 public:
  ~Scratch() { std::free(data_); }
  float* floats(int64_t count) {
    const int64_t bytes = (count + 64) * static_cast<int64_t>(sizeof(float));
    if (bytes > bytes_) grow(bytes);
    return data_;
  }

 private:
  void grow(int64_t bytes) {
    std::free(data_);
    const bool huge = bytes >= kHugePage / 4;
    const int64_t alignment = huge ? kHugePage : 64;
    bytes_ = ceil_div(bytes, alignment) * alignment;
    data_ = static_cast<float*>(std::aligned_alloc(alignment, bytes_));
    if (!data_) {
      bytes_ = 0;
      throw std::bad_alloc();
    }
#if defined(__linux__)
    if (huge) madvise(data_, bytes_, MADV_HUGEPAGE);  // packing walks many pages at once
#endif
  }
  float* data_ = nullptr;
  int64_t bytes_ = 0;
};

thread_local Scratch packed_a, packed_b;
thread_local uint64_t packed_b_of = 0;  // the block of B that packed_b holds
std::atomic<uint64_t> products{0};

const GemmIsa& isa() {
#if defined(__x86_64__)
  if (cpu() == Cpu::avx512) return gemm_avx512;
  if (cpu() == Cpu::avx2) return gemm_avx2;
#elif defined(__aarch64__)
  if (cpu() == Cpu::neon) return gemm_neon;
#endif
  return gemm_portable;
}

struct Product {
  bool ta, tb;
  int64_t m, n, k;
  const float *a, *b;
  int64_t lda, ldb;
  float* c;
  int64_t ldc;
  bool accumulate;
  const Epilogue* epilogue;

  const GemmIsa* isa;
  int64_t height, width;              // of a strip of A, of a panel of B
  int64_t k_block, n_block, m_block;  // the cuts
  int64_t m_parts;                    // pieces of work in a block of rows, each with all columns of a block of B
  bool pack_a, pack_b;

  // The block at work.
  int64_t p0, steps, i0, rows;
  float* strips;
  uint64_t number;
};

void plan(Product& g) {
  const GemmIsa& isa = *g.isa;
  // Head sizes such as 64 waste columns, or read A twice, in panels of the wide form.
  const int64_t vectors = ceil_div(g.n, isa.lanes), fit = isa.narrow.vectors;
  const bool narrow = vectors > isa.wide.vectors && vectors % isa.wide.vectors != 0 && vectors <= 2 * fit &&
                      ceil_div(vectors, fit) * fit - vectors <= 1;
  const bool few = g.m <= isa.few.rows && !g.tb;
  const TileShape shape = few ? isa.few : narrow ? isa.narrow : isa.wide;
  g.height = ceil_div(g.m, ceil_div(g.m, shape.rows));
  g.width = shape.vectors * isa.lanes;
  g.k_block = max(1, ceil_div(g.k, max(1, ceil_div(g.k, kDeepest))));

  // A block of B stays in the second-level cache while strips of A pass by.
  const int64_t cache = min(max(l2_bytes(), 256 << 10), 2 << 20) * 6 / 10;
  const int64_t most = max(g.width, cache / (4 * g.k_block) / g.width * g.width);
  g.n_block = ceil_div(ceil_div(g.n, ceil_div(g.n, most)), g.width) * g.width;

  const int64_t most_rows = max(g.height, kPackedA / (4 * g.k_block) / g.height * g.height);
  g.m_block = ceil_div(ceil_div(g.m, ceil_div(g.m, most_rows)), g.height) * g.height;

  g.pack_a = g.m > g.height && (g.n > 128 || (g.ta && g.k > 128));
  g.pack_b = !few;
}

// Strips `begin` to `end` of the block of A.
void pack_strips(int64_t begin, int64_t end, int, void* context) {
  const Product& g = *static_cast<const Product*>(context);
  const int64_t first = begin * g.height, count = min(end * g.height, g.rows) - first;
  float* to = g.strips + first * g.steps;
  const int64_t i = g.i0 + first;
  if (g.ta) g.isa->pack(g.a + g.p0 * g.lda + i, g.lda, g.steps, count, g.height, to, g.height * g.steps);
  else g.isa->pack_transposed(g.a + i * g.lda + g.p0, g.lda, g.steps, count, g.height, to, g.height * g.steps);
}

// Columns j to j + count of the block of B, as panels.
void pack_panels(const Product& g, int64_t j, int64_t count, float* to) {
  if (g.tb) g.isa->pack_transposed(g.b + j * g.ldb + g.p0, g.ldb, g.steps, count, g.width, to, g.width * g.steps);
  else g.isa->pack(g.b + g.p0 * g.ldb + j, g.ldb, g.steps, count, g.width, to, g.width * g.steps);
}

// One piece: some strips of the block of A against one block of columns.
void multiply(int64_t piece, int64_t, int, void* context) {
  const Product& g = *static_cast<const Product*>(context);
  const int64_t block = piece / g.m_parts, part = piece % g.m_parts;
  const int64_t j0 = block * g.n_block, cols = min(g.n_block, g.n - j0);
  const int64_t strips = ceil_div(g.rows, g.height);
  const int64_t first = strips * part / g.m_parts, last = strips * (part + 1) / g.m_parts;

  // B in place is read by whole vectors, so the last columns are packed all the same.
  const int64_t in_place = g.pack_b ? 0 : cols / g.isa->lanes * g.isa->lanes;
  float* panels = packed_b.floats(ceil_div(cols - in_place, g.width) * g.width * g.steps);
  const uint64_t key = (g.number << 20) + static_cast<uint64_t>(block) + 1;
  if (packed_b_of != key && in_place < cols) {
    pack_panels(g, j0 + in_place, cols - in_place, panels);
    packed_b_of = key;
  }

  Tile tile;
  tile.k = g.steps;
  tile.ldc = g.ldc;
  tile.accumulate = g.accumulate || g.p0 > 0;
  const bool complete = g.p0 + g.steps == g.k;
  const Epilogue& e = *g.epilogue;
  for (int64_t s = first; s < last; s++) {
    const int64_t i = g.i0 + s * g.height;
    tile.rows = static_cast<int>(min(g.height, g.rows - s * g.height));
    tile.a = g.pack_a ? g.strips + s * g.height * g.steps : g.ta ? g.a + g.p0 * g.lda + i : g.a + i * g.lda + g.p0;
    tile.a_row = g.pack_a || g.ta ? 1 : g.lda;
    tile.a_step = g.pack_a ? g.height : g.ta ? g.lda : 1;
    for (int64_t j = 0; j < cols; j += tile.cols) {
      const bool whole = j < in_place;
      tile.cols = static_cast<int>(min(g.width, (whole ? in_place : cols) - j));
      tile.b = whole ? g.b + g.p0 * g.ldb + j0 + j : panels + (j - in_place) * g.steps;
      tile.ldb = whole ? g.ldb : g.width;
      tile.c = g.c + i * g.ldc + j0 + j;
      g.isa->tile(tile);
    }
    if (complete && (e.bias || e.before || e.activation != Activation::none)) {
      const int64_t at = i * g.ldc + j0;
      g.isa->finish(g.c + at, g.ldc, tile.rows, cols, e.bias ? e.bias + j0 : nullptr, static_cast<int>(e.activation),
                    e.before ? e.before + at : nullptr);
    }
  }
}

// Runs on the pool, or here where that is not worth it (within another parallel_for it runs here anyway).
void spread(bool parallel, int64_t count, int64_t grain, RangeFn fn, Product& g) {
  if (parallel) parallel_for(count, grain, fn, &g);
  else for (int64_t i = 0; i < count; i += grain) fn(i, min(i + grain, count), 0, &g);
}

void run(Product& g, bool parallel) {
  plan(g);
  const int64_t blocks = ceil_div(g.n, g.n_block);
  for (g.p0 = 0; g.p0 < g.k || g.p0 == 0; g.p0 += g.k_block) {
    g.steps = min(g.k_block, g.k - g.p0);
    g.number = ++products;
    for (g.i0 = 0; g.i0 < g.m; g.i0 += g.m_block) {
      g.rows = min(g.m_block, g.m - g.i0);
      const int64_t strips = ceil_div(g.rows, g.height);
      if (g.pack_a) {
        g.strips = packed_a.floats(strips * g.height * g.steps);
        spread(parallel, strips, 8, pack_strips, g);
      }
      // A few pieces a thread, so that none waits long for the last.
      g.m_parts = parallel ? min(max(1, ceil_div(4 * threads(), blocks)), ceil_div(strips, 4)) : 1;
      spread(parallel, blocks * g.m_parts, 1, multiply, g);
    }
  }
}

}  // namespace

void sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
           int64_t ldb, float* c, int64_t ldc, bool accumulate, const Epilogue& epilogue) {
  if (m <= 0 || n <= 0) return;
  count_flops(2 * m * n * k);
  Product g{};
  g.ta = ta, g.tb = tb, g.m = m, g.n = n, g.k = k, g.a = a, g.lda = lda, g.b = b, g.ldb = ldb;
  g.c = c, g.ldc = ldc, g.accumulate = accumulate, g.epilogue = &epilogue, g.isa = &isa();
  run(g, 2.0 * m * n * k > kWorthThreads);
}

namespace {

struct Batch {
  const Product* one;
  int64_t stride_a, stride_b, stride_c;
};

void multiply_each(int64_t begin, int64_t end, int, void* context) {
  const Batch& batch = *static_cast<const Batch*>(context);
  for (int64_t i = begin; i < end; i++) {
    Product g = *batch.one;
    g.a += i * batch.stride_a, g.b += i * batch.stride_b, g.c += i * batch.stride_c;
    run(g, false);
  }
}

}  // namespace

void sgemm_batched(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                   int64_t stride_a, const float* b, int64_t ldb, int64_t stride_b, float* c, int64_t ldc,
                   int64_t stride_c, bool accumulate) {
  if (batch <= 0 || m <= 0 || n <= 0) return;
  count_flops(2 * batch * m * n * k);
  if (stride_b == 0 && !ta && stride_a == m * lda && stride_c == m * ldc) m *= batch, batch = 1;  // one taller product
  const Epilogue none;
  Product g{};
  g.ta = ta, g.tb = tb, g.m = m, g.n = n, g.k = k, g.a = a, g.lda = lda, g.b = b, g.ldb = ldb;
  g.c = c, g.ldc = ldc, g.accumulate = accumulate, g.epilogue = &none, g.isa = &isa();
  Batch all{&g, stride_a, stride_b, stride_c};
  const double work = 2.0 * m * n * k;
  if (batch >= 4 * threads() && work * batch > kWorthThreads) {
    const int64_t grain = max(1, min(batch / (8 * threads()), static_cast<int64_t>(kWorthThreads / max(1, work))));
    parallel_for(batch, grain, multiply_each, &all);
    return;
  }
  for (int64_t i = 0; i < batch; i++) {
    Product one = g;
    one.a += i * stride_a, one.b += i * stride_b, one.c += i * stride_c;
    run(one, work > kWorthThreads);
  }
}

}  // namespace ztt

// Elementwise operations, reductions and copies.
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "ops.h"
#include "parallel.h"

namespace ztt {
namespace {

// Where a row has its largest value first; 0 where that is NaN.
int32_t place_of(float most, const float* row, int64_t n) {
  int64_t at = 0;
  while (at < n - 1 && row[at] != most) at++;
  return static_cast<int32_t>(row[at] == most ? at : 0);
}

}  // namespace

void map_unary(Unary op, int64_t n, const float* x, float* y) {
  parallel(n, kGrain, [=](int64_t begin, int64_t end, int) { kernels().unary(op, x + begin, y + begin, end - begin); });
}

void map_binary(Binary op, const Broadcast& s, const float* a, const float* b, float* y) {
  if (s.outer == 1) {
    parallel(s.inner, kGrain, [=](int64_t begin, int64_t end, int) {
      kernels().binary(op, a + begin * s.a_inner, s.a_inner, b + begin * s.b_inner, s.b_inner, y + begin, end - begin);
    });
    return;
  }
  parallel(s.outer, row_grain(s.inner), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      kernels().binary(op, a + i * s.a_outer, s.a_inner, b + i * s.b_outer, s.b_inner, y + i * s.inner, s.inner);
    }
  });
}

void reduce_rows(Reduction op, int64_t rows, int64_t n, const float* x, float* y) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      const float* row = x + i * n;
      y[i] = op == Reduction::max ? kernels().max(row, n) : kernels().sum(row, n);
      if (op == Reduction::mean) y[i] /= static_cast<float>(n);
    }
  });
}

void softmax_rows(int64_t rows, int64_t n, const float* x, float* y) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) kernels().softmax(x + i * n, y + i * n, n);
  });
}

void arg_max_rows(int64_t rows, int64_t n, const float* x, int32_t* y) {
  parallel(rows, row_grain(n), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) y[i] = place_of(kernels().max(x + i * n, n), x + i * n, n);
  });
}

void token_scores(const TokenScores& s) {
  // Of each row the largest logit, and the logarithm of the sum of all over it.
  std::vector<float> most(static_cast<size_t>(s.rows)), log_sums(static_cast<size_t>(s.rows));
  parallel(s.rows, row_grain(s.n), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      const float* row = s.logits + i * s.n;
      const float largest = kernels().max(row, s.n);
      s.best[i] = place_of(largest, row, s.n);
      most[static_cast<size_t>(i)] = largest;
      log_sums[static_cast<size_t>(i)] = std::log(kernels().sum_exponentials(row, largest, s.n));
    }
  });
  for (int64_t i = 0; i < s.count; i++) {
    const auto row = static_cast<size_t>(s.places[i]);
    s.log_probabilities[i] = s.logits[s.places[i] * s.n + s.targets[i]] - most[row] - log_sums[row];
  }
}

double sum_of_squares(int64_t n, const float* x) {
  constexpr int64_t kPieces = 4096;
  const int64_t pieces = (n + kGrain - 1) / kGrain;
  double total = 0;
  double parts[kPieces];
  // Pieces are of one size and added up in order, so that the sum is the same on any number of threads.
  for (int64_t first = 0; first < pieces; first += kPieces) {
    const int64_t count = pieces - first < kPieces ? pieces - first : kPieces;
    parallel(count, 1, [=, &parts](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t start = (first + i) * kGrain;
        parts[i] = kernels().sum_squares(x + start, n - start < kGrain ? n - start : kGrain);
      }
    });
    for (int64_t i = 0; i < count; i++) total += parts[i];
  }
  return total;
}

void column_sums(int64_t rows, int64_t n, const float* x, float* y) {
  parallel(n, 64, [=](int64_t begin, int64_t end, int) {
    kernels().column_sums(x + begin, rows, n, end - begin, y + begin);
  });
}

void fill(int64_t n, float value, float* y) {
  parallel(n, 4 * kGrain, [=](int64_t begin, int64_t end, int) {
    if (value == 0) {
      memset(y + begin, 0, static_cast<size_t>(end - begin) * sizeof(float));
    } else {
      for (int64_t i = begin; i < end; i++) y[i] = value;
    }
  });
}

void copy_block(const Copy& c, const float* x, float* y) {
  const int64_t rows = c.sizes[0] * c.sizes[1] * c.sizes[2], n = c.sizes[3];
  parallel(rows, row_grain(n), [&c, x, y, n](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t k = row % c.sizes[2], j = row / c.sizes[2] % c.sizes[1], i = row / c.sizes[2] / c.sizes[1];
      const float* from = x + i * c.from[0] + j * c.from[1] + k * c.from[2];
      float* to = y + i * c.to[0] + j * c.to[1] + k * c.to[2];
      if (c.from[3] == 1 && c.to[3] == 1) {
        memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
      } else {
        for (int64_t e = 0; e < n; e++) to[e * c.to[3]] = from[e * c.from[3]];
      }
    }
  });
}

void gather_rows(int64_t n, int64_t size, const float* table, const int32_t* ids, float* y) {
  parallel(n, row_grain(size), [=](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      memcpy(y + i * size, table + ids[i] * size, static_cast<size_t>(size) * sizeof(float));
    }
  });
}

// Each piece owns a range of the table's rows and takes what is for it in order, so that sums are always the same.
void scatter_add(int64_t n, int64_t rows, int64_t size, const int32_t* ids, const float* dy, float* table_grad) {
  const int64_t grain = rows / 64 + 1;
  parallel(rows, grain, [=](int64_t begin, int64_t end, int) {
    memset(table_grad + begin * size, 0, static_cast<size_t>((end - begin) * size) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
      if (ids[i] < begin || ids[i] >= end) continue;
      float* to = table_grad + ids[i] * size;
      kernels().binary(Binary::add, to, 1, dy + i * size, 1, to, size);
    }
  });
}

}  // namespace ztt

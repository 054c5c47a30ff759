#include "parallel.h"

#include <cstddef>
#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ztt {
namespace {

constexpr int kMostThreads = 1024;
constexpr size_t kLine = 64, kHugePage = size_t{2} << 20;

struct Scratch {
  float* floats = nullptr;
  int64_t count = 0;
};

// Each thread touches its own entry only.
Scratch scratches[kMostThreads];

}  // namespace

float* scratch(int thread, int64_t count) {
  Scratch& own = scratches[thread];
  if (own.count < count) {
    free_floats(own.floats);
    own = {};
    own.floats = allocate_floats(count);
    if (own.floats) own.count = count;
  }
  return own.floats;
}

float* allocate_floats(int64_t count) {
  const size_t bytes = static_cast<size_t>(count > 0 ? count : 1) * sizeof(float);
  const size_t align = bytes >= 2 * kHugePage ? kHugePage : kLine;
  const size_t whole = (bytes + align - 1) / align * align;
  void* memory = nullptr;
  if (posix_memalign(&memory, align, whole) != 0) return nullptr;
#if defined(__linux__)
  if (align == kHugePage) madvise(memory, whole, MADV_HUGEPAGE);
#endif
  return static_cast<float*>(memory);
}

void free_floats(float* floats) { free(floats); }

}  // namespace ztt

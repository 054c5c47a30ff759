// Work split over the pool, and memory for it.
#pragma once
#include <cstdint>

#include "../pool.h"

namespace ztt {

// Elements that are worth a piece of their own.
constexpr int64_t kGrain = 16384;

// Rows of n elements that are worth a piece of their own.
inline int64_t row_grain(int64_t n) { return n >= kGrain ? 1 : kGrain / (n > 0 ? n : 1); }

// parallel_for with a callable: work(begin, end, thread).
template <typename Work>
void parallel(int64_t count, int64_t grain, const Work& work) {
  parallel_for(
      count, grain,
      [](int64_t begin, int64_t end, int thread, void* context) {
        (*static_cast<const Work*>(context))(begin, end, thread);
      },
      const_cast<Work*>(&work));
}

// At least `count` floats for thread `thread`, kept for the next call; what is in them is left over. Null if there is no
// memory. For use inside of a piece, on its own thread.
float* scratch(int thread, int64_t count);

// Memory that lies at a whole cache line and, where it is large, in huge pages. Null if there is none.
float* allocate_floats(int64_t count);
void free_floats(float* floats);

}  // namespace ztt

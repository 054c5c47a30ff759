// A pool of threads for kernels. The calling thread works too; results never depend on who ran what.
#pragma once
#include <cstdint>

namespace ztt {

// Threads used by parallel_for, the caller's included; at least 1.
void set_threads(int count);
int threads();

// A range of work: `begin` to `end`, done by thread `thread` (0 to threads() - 1).
using RangeFn = void (*)(int64_t begin, int64_t end, int thread, void* context);

// Splits [0, count) into pieces of `grain` (the last may be smaller) and runs them on the pool, in any order.
// Which pieces there are depends on count and grain alone, never on the number of threads.
void parallel_for(int64_t count, int64_t grain, RangeFn fn, void* context);

}  // namespace ztt

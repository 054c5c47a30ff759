// A count of what the products of matrices did, to hold the model's formulas against.
#pragma once
#include <cstdint>

namespace ztt {

// Adds 2 x multiply-adds. Padding and masked products are none.
void count_flops(int64_t flops);
// All since the start of the process.
double counted_flops();

}  // namespace ztt

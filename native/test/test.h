#pragma once
#include <cstdint>
#include <vector>

void expect(bool holds, const char* what);
// Fails for a NaN on either side. m, n, k: told with a failure.
void expect_near(double value, double wanted, double bound, const char* what, int64_t m, int64_t n, int64_t k);
long checks();
long failures();

// Between -1 and 1, the same for the same seed.
std::vector<float> randoms(int64_t count, uint32_t seed);

// Prints GFLOP/s at GPT-2's shapes.
int time_products();

// Times the cases that standard input asks for (bench/sgemm.ts).
int serve_products();

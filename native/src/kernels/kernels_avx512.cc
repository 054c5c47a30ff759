// The kernels with AVX-512.
#if defined(__AVX512F__)
#include <immintrin.h>

#include "kernels.h"

namespace ztt {
namespace avx512 {
#include "simd_body.h"
#include "elementwise_body.h"
#include "rows_body.h"
#include "attention_body.h"
#include "strand_body.h"
#include "table_body.h"
}  // namespace avx512

extern const Kernels kernels_avx512 = avx512::table;
}  // namespace ztt
#endif

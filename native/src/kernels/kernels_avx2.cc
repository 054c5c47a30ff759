// The kernels with AVX2 and FMA.
#if defined(__AVX2__)
#include <immintrin.h>

#include "kernels.h"

namespace ztt {
namespace avx2 {
#include "simd_body.h"
#include "elementwise_body.h"
#include "rows_body.h"
#include "attention_body.h"
#include "strand_body.h"
#include "table_body.h"
}  // namespace avx2

extern const Kernels kernels_avx2 = avx2::table;
}  // namespace ztt
#endif

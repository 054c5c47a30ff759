// The kernels with NEON.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels.h"

namespace ztt {
namespace neon {
#include "simd_body.h"
#include "elementwise_body.h"
#include "rows_body.h"
#include "attention_body.h"
#include "strand_body.h"
#include "table_body.h"
}  // namespace neon

extern const Kernels kernels_neon = neon::table;
}  // namespace ztt
#endif

// The kernels for any CPU: vectors of four, as every x86-64 has them.
#if !defined(__aarch64__)
#include "kernels.h"

namespace ztt {
namespace portable {
#include "simd_body.h"
#include "elementwise_body.h"
#include "rows_body.h"
#include "attention_body.h"
#include "strand_body.h"
#include "table_body.h"
}  // namespace portable

extern const Kernels kernels_portable = portable::table;
}  // namespace ztt
#endif

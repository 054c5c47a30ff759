// Choosing the kernels for this CPU.
#include "kernels.h"

#include "../cpu.h"

namespace ztt {

#if defined(__x86_64__)
extern const Kernels kernels_avx512, kernels_avx2, kernels_portable;
#elif defined(__aarch64__)
extern const Kernels kernels_neon;
#else
extern const Kernels kernels_portable;
#endif

const Kernels& kernels() {
#if defined(__x86_64__)
  switch (cpu()) {
    case Cpu::avx512: return kernels_avx512;
    case Cpu::avx2: return kernels_avx2;
    default: return kernels_portable;
  }
#elif defined(__aarch64__)
  return kernels_neon;
#else
  return kernels_portable;
#endif
}

}  // namespace ztt

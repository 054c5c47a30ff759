#include "cpu.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#if defined(__linux__)
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ztt {
namespace {

#if defined(__x86_64__)
// Registers that the system saves on a task switch (XCR0): a CPU that has AVX-512 may run a system that does not.
uint64_t saved_registers() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

Cpu detect() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Cpu::portable;
  const bool osxsave = c & (1u << 27), avx = c & (1u << 28), fma = c & (1u << 12);
  if (!osxsave || !avx || !fma) return Cpu::portable;
  const uint64_t saved = saved_registers();
  if ((saved & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return Cpu::portable;
  if (!(b & (1u << 5))) return Cpu::portable;
#if defined(__APPLE__)
  // macOS saves the AVX-512 registers only once a thread uses them, so XCR0 says nothing there: ask the system.
  int has = 0;
  size_t size = sizeof has;
  const bool saves512 = sysctlbyname("hw.optional.avx512f", &has, &size, nullptr, 0) == 0 && has;
#else
  const bool saves512 = (saved & 0xe6) == 0xe6;
#endif
  const unsigned wanted = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  return saves512 && (b & wanted) == wanted ? Cpu::avx512 : Cpu::avx2;
}
#elif defined(__aarch64__)
Cpu detect() { return Cpu::neon; }  // part of the base architecture
#else
Cpu detect() { return Cpu::portable; }
#endif

Cpu choose() {
  const Cpu best = detect();
  const char* asked = std::getenv("ZTT_CPU");
  if (!asked) return best;
  if (!std::strcmp(asked, "portable")) return Cpu::portable;
  if (!std::strcmp(asked, "avx2") && best == Cpu::avx512) return Cpu::avx2;
  return best;
}

long find_l2() {
  long bytes = 0;
#if defined(__linux__) && defined(_SC_LEVEL2_CACHE_SIZE)
  bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#elif defined(__APPLE__)
  int64_t value = 0;
  size_t size = sizeof value;
  if (sysctlbyname("hw.l2cachesize", &value, &size, nullptr, 0) == 0) bytes = static_cast<long>(value);
#endif
  return bytes > 0 ? bytes : 1 << 20;
}

}  // namespace

Cpu cpu() {
  static const Cpu chosen = choose();
  return chosen;
}

const char* cpu_name(Cpu cpu) {
  static const char* const names[] = {"portable", "avx2", "avx512", "neon"};
  return names[static_cast<int>(cpu)];
}

long l2_bytes() {
  static const long bytes = find_l2();
  return bytes;
}

}  // namespace ztt

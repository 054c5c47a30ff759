// Which instruction set the kernels use: found at run time, never from the machine that built them.
#pragma once

namespace ztt {

enum class Cpu : int { portable = 0, avx2 = 1, avx512 = 2, neon = 3 };

// The best set that this CPU and its system have; the environment variable ZTT_CPU (portable, avx2, avx512, neon)
// asks for a lesser one. Constant for the life of the process.
Cpu cpu();
const char* cpu_name(Cpu cpu);

// Bytes of second-level cache a core has, or a guess.
long l2_bytes();

}  // namespace ztt

#pragma once

#include "kernels/kernels.hpp"

namespace gyre {

// Built from one source file each; the vector tables exist on x86-64 alone.
extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace gyre

#include "kernels/tables.hpp"

#if defined(__x86_64__)
#define GYRE_VECTOR_BYTES 64
#include "kernels/vector.inl"

namespace gyre {
const Kernels kAvx512Kernels = {"avx512", matmul, rms_norm, layer_norm, attend, silu_gated, step_statistics};
}  // namespace gyre
#endif

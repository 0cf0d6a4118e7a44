#include "kernels/tables.hpp"

#if defined(__x86_64__)
#define GYRE_VECTOR_BYTES 64
#include "kernels/vector.inl"

namespace gyre {
const Kernels kAvx512Kernels = {"avx512",         avx512::round_to_bytes,
                                takes_no_halves,  nullptr,
                                avx512::multiply, rms_norm,
                                layer_norm,       rotate,
                                attend,           silu_gated,
                                step_statistics};
const Kernels kAmxKernels = {"amx",
                             avx512::round_to_bytes,
                             amx::takes_halves,
                             amx::round_to_halves,
                             amx::multiply,
                             rms_norm,
                             layer_norm,
                             rotate,
                             attend,
                             silu_gated,
                             step_statistics};
}  // namespace gyre
#endif

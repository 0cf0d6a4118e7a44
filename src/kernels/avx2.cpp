#include "kernels/tables.hpp"

#if defined(__x86_64__)
#define GYRE_VECTOR_BYTES 32
#include "kernels/vector.inl"

namespace gyre {
namespace {
constexpr Peak kFloats = {avx2::run_floats, peak_operations(8)};
constexpr Peak kBytes = {avx2::run_bytes, peak_operations(32)};
}  // namespace

const Kernels kAvx2Kernels = {"avx2",          avx2::round_to_bytes, takes_no_halves, nullptr, avx2::multiply,
                              rms_norm,        layer_norm,           rotate,          attend,  silu_gated,
                              step_statistics, {kFloats, {}, kBytes}};
}  // namespace gyre
#endif

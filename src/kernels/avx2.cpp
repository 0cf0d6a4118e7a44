#include "kernels/tables.hpp"

#if defined(__x86_64__)
#define GYRE_VECTOR_BYTES 32
#include "kernels/vector.inl"

namespace gyre {
namespace {
constexpr Peak kFloats = {avx2::run_floats, peak_operations(8)};
constexpr Peak kBytes = {avx2::run_bytes, peak_operations(32)};
}  // namespace

const Kernels kAvx2Kernels = {.name = "avx2",
                              .round_to_bytes = avx2::round_to_bytes,
                              .takes_bf16 = takes_no_bf16,
                              .round_to_bf16 = nullptr,
                              .multiply = avx2::multiply,
                              .rms_norm = rms_norm,
                              .layer_norm = layer_norm,
                              .rotate = rotate,
                              .attend = attend,
                              .silu_gated = silu_gated,
                              .gelu = gelu,
                              .largest = largest_of,
                              .exponentials = exponentials,
                              .step_statistics = step_statistics,
                              .peaks = {kFloats, {}, kBytes}};
}  // namespace gyre
#endif

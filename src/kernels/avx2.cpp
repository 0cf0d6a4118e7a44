#include "kernels/tables.hpp"

#if defined(__x86_64__)
#define GYRE_VECTOR_BYTES 32
#include "kernels/vector.inl"

namespace gyre {
namespace {
constexpr Peak kFloats = {avx2::run_floats, peak_operations(8)};
constexpr Peak kBytes = {avx2::run_bytes, peak_operations(32)};
}  // namespace

namespace {
constexpr Kernels table(std::string_view name, decltype(Kernels::multiply) multiply) noexcept {
  return {.name = name,
          .round_to_bytes = avx2::round_to_bytes,
          .takes_bf16 = takes_no_bf16,
          .round_to_bf16 = nullptr,
          .multiply = multiply,
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
}
}  // namespace

constinit const Kernels kAvx2Kernels = table("avx2", avx2::multiply);
constinit const Kernels kAvxVnniKernels = table("avxvnni", avxvnni::multiply);
}  // namespace gyre
#endif

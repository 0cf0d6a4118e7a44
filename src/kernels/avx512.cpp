#include "kernels/tables.hpp"

#if defined(__x86_64__)
#define GYRE_VECTOR_BYTES 64
#include "kernels/vector.inl"

namespace gyre {
namespace {
/// By tiles where it can be.
void attend_by_tiles(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache,
                     std::size_t count, std::size_t head_size, float scale, float* scratch, float* out,
                     std::size_t out_stride) {
  const auto fitting = amx::attends(cache, rows, head_size) ? amx::attend : attend;
  fitting(queries, query_stride, rows, cache, count, head_size, scale, scratch, out, out_stride);
}

constexpr Peak kFloats = {avx512::run_floats, peak_operations(16)};
constexpr Peak kBytes = {avx512::run_bytes, peak_operations(64)};
/// Four tiles of sums, 32 columns deep.
constexpr Peak kTiles = {amx::run_bf16, 2.0 * 4 * 16 * 16 * 32};
}  // namespace

const Kernels kAvx512Kernels = {.name = "avx512",
                                .round_to_bytes = avx512::round_to_bytes,
                                .takes_bf16 = takes_no_bf16,
                                .round_to_bf16 = nullptr,
                                .multiply = avx512::multiply,
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
const Kernels kAmxKernels = {.name = "amx",
                             .exact = false,
                             .round_to_bytes = avx512::round_to_bytes,
                             .takes_bf16 = amx::takes_bf16,
                             .round_to_bf16 = amx::round_to_bf16,
                             .multiply = amx::multiply,
                             .rms_norm = rms_norm,
                             .layer_norm = layer_norm,
                             .rotate = rotate,
                             .attend = attend_by_tiles,
                             .silu_gated = silu_gated,
                             .gelu = gelu,
                             .largest = largest_of,
                             .exponentials = exponentials,
                             .step_statistics = step_statistics,
                             .peaks = {kFloats, kTiles, kBytes}};
}  // namespace gyre
#endif

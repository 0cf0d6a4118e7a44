#pragma once

#include "kernels/kernels.hpp"
#include "kernels/products.hpp"

namespace gyre {

// Products with packed matrices, see Kernels::multiply and Kernels::round_to_bytes; a source file each.
#define GYRE_PRODUCTS                                                                                               \
  void round_to_bytes(const float* x, std::size_t count, std::size_t columns, const ByteRows& out);                 \
  void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel, \
                const ProductOut& out);
// Rounds of kPeakSums multiply-adds each, see Peaks.
#define GYRE_PEAKS                     \
  void run_floats(std::size_t rounds); \
  void run_bytes(std::size_t rounds);
namespace scalar {
GYRE_PRODUCTS
}
/// Sums that do not wait for one another: more than any processor takes to be kept busy.
inline constexpr std::size_t kPeakSums = 12;
/// A round of multiply-adds of vectors with so many lanes of sums.
constexpr double peak_operations(std::size_t lanes) noexcept { return 2.0 * static_cast<double>(kPeakSums * lanes); }
/// For tables without tiles.
inline bool takes_no_bf16(WeightType /*type*/, std::size_t /*count*/, std::size_t /*columns*/) { return false; }
#if defined(__x86_64__)
namespace amx {
bool takes_bf16(WeightType type, std::size_t count, std::size_t columns);
void round_to_bf16(const float* x, std::size_t first, std::size_t count, std::size_t columns, std::uint16_t* out);
void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out);
void run_bf16(std::size_t rounds);
/// Whether so many queries of a head are attend()'s: whole tiles, and keys and values of bfloat16.
bool attends(const KvPages& cache, std::size_t rows, std::size_t head_size);
/// Kernels::attend with queries and shares rounded to bfloat16.
void attend(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache, std::size_t count,
            std::size_t head_size, float scale, float* scratch, float* out, std::size_t out_stride);
}  // namespace amx
namespace avx2 {
GYRE_PRODUCTS
GYRE_PEAKS
}  // namespace avx2
/// AVX2 with VNNI on its registers of 256 bits: AVX-VNNI. Rows are rounded as there.
namespace avxvnni {
void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out);
}
namespace avx512 {
GYRE_PRODUCTS
GYRE_PEAKS
/// multiply() of f32 weights by many rows.
void multiply_blocked(const PackedMatrix& weights, const Activations& x, std::size_t first_panel,
                      std::size_t last_panel, const ProductOut& out);
}  // namespace avx512
#endif
#undef GYRE_PRODUCTS
#undef GYRE_PEAKS

// Built from one source file each; the vector tables exist on x86-64 alone.
extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvxVnniKernels;  // those of AVX2, with other products of bytes
extern const Kernels kAvx512Kernels;
extern const Kernels kAmxKernels;  // those of AVX-512, with tiles for many rows
#endif

}  // namespace gyre

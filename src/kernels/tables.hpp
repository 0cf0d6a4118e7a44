#pragma once

#include "kernels/kernels.hpp"
#include "kernels/products.hpp"

namespace gyre {

// Products with packed matrices, see Kernels::multiply and Kernels::round_to_bytes; a source file each.
#define GYRE_PRODUCTS                                                                                               \
  void round_to_bytes(const float* x, std::size_t count, std::size_t columns, const ByteRows& out);                 \
  void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel, \
                const ProductOut& out);
namespace scalar {
GYRE_PRODUCTS
}
/// For tables without tiles.
inline bool takes_no_halves(WeightType /*type*/, std::size_t /*count*/, std::size_t /*columns*/) { return false; }
#if defined(__x86_64__)
namespace amx {
bool takes_halves(WeightType type, std::size_t count, std::size_t columns);
void round_to_halves(const float* x, std::size_t count, std::size_t columns, std::uint16_t* out);
void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out);
}  // namespace amx
namespace avx2 {
GYRE_PRODUCTS
}
namespace avx512 {
GYRE_PRODUCTS
}
#endif
#undef GYRE_PRODUCTS

// Built from one source file each; the vector tables exist on x86-64 alone.
extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAmxKernels;  // those of AVX-512, with tiles for many rows
#endif

}  // namespace gyre

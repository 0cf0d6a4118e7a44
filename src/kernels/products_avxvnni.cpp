#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace gyre::avxvnni {
namespace {

constexpr bool kDotsBytes = true;
#include "kernels/products_256.inl"

}  // namespace

void multiply(const PackedMatrix& weights, const Activations& x, std::size_t first_panel, std::size_t last_panel,
              const ProductOut& out) {
  if (weights.parts != nullptr) {
    return multiply_parts(weights, first_panel, last_panel, out,
                          [&](const PackedMatrix& part, std::size_t first, std::size_t last, const ProductOut& its) {
                            multiply(part, x, first, last, its);
                          });
  }
  const Work work{weights, x, out, panel_bytes(weights.type, weights.columns)};
  with_type(weights.type, [&]<WeightType Type> { multiply_type<Type>(work, first_panel, last_panel); });
}

}  // namespace gyre::avxvnni
#endif

#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>

namespace gyre {

/// The product of sizes that come from a file or a flag, or nothing where it is too large for a size.
inline std::optional<std::size_t> checked_product(std::initializer_list<std::size_t> factors) {
  std::size_t product = 1;
  for (const std::size_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) return {};
  }
  return product;
}

}  // namespace gyre

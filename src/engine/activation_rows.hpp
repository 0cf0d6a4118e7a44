#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/products.hpp"

namespace gyre {

/// Memory for rows that a matrix is about to read.
class ActivationRows {
 public:
  /// Room for n rows of `columns` numbers. Grows only.
  void reserve(std::size_t n, std::size_t columns) {
    const std::size_t padded = n * padded_columns(columns);
    grow(floats_, n * columns);
    grow(bytes_, padded);
    grow(scales_, padded / kByteRun);
    grow(zeros_, padded / kByteRun);
    grow(halves_, (n + kHalfRows - 1) / kHalfRows * kHalfRows * padded_columns(columns));
  }
  [[nodiscard]] float* floats() { return floats_.data(); }
  [[nodiscard]] std::uint16_t* halves() { return halves_.data(); }
  /// Rounded rows from `row` on.
  [[nodiscard]] ByteRows rounded(std::size_t row, std::size_t columns) {
    const std::size_t first = row * padded_columns(columns);
    return {bytes_.data() + first, scales_.data() + first / kByteRun, zeros_.data() + first / kByteRun};
  }

 private:
  template <typename Number>
  static void grow(std::vector<Number>& numbers, std::size_t count) {
    if (numbers.size() < count) numbers.resize(count);
  }

  std::vector<float> floats_;
  std::vector<std::int8_t> bytes_;
  std::vector<float> scales_;
  std::vector<std::int32_t> zeros_;
  std::vector<std::uint16_t> halves_;
};

}  // namespace gyre

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/products.hpp"

namespace gyre {

/// Room for `count` numbers; never less than before.
template <typename Number>
void grow(std::vector<Number>& numbers, std::size_t count) {
  if (numbers.size() < count) numbers.resize(count);
}

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
    grow(sums_, padded / kByteRun);
    grow(half_zeros_, 2 * padded / kByteRun);
    grow(bf16_, (n + kBf16Rows - 1) / kBf16Rows * kBf16Rows * padded_columns(columns));
  }
  [[nodiscard]] float* floats() { return floats_.data(); }
  [[nodiscard]] std::uint16_t* bf16() { return bf16_.data(); }
  /// Rounded rows from `row` on.
  [[nodiscard]] ByteRows rounded(std::size_t row, std::size_t columns) {
    const std::size_t first = row * padded_columns(columns);
    const std::size_t run = first / kByteRun;
    return {bytes_.data() + first, scales_.data() + run, zeros_.data() + run, sums_.data() + run,
            half_zeros_.data() + 2 * run};
  }

 private:
  std::vector<float> floats_;
  std::vector<std::int8_t> bytes_;
  std::vector<float> scales_;
  std::vector<std::int32_t> zeros_;
  std::vector<float> sums_;
  std::vector<std::int32_t> half_zeros_;
  std::vector<std::uint16_t> bf16_;
};

}  // namespace gyre

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gyre {

/// Directions carried along a path: `count` columns of `size` numbers, one after the other.
class Directions {
 public:
  /// Orthonormal, drawn from `seed`. Of a space of fewer dimensions than `count` there are as many as it has.
  Directions(std::size_t size, std::size_t count, std::uint64_t seed);

  [[nodiscard]] std::size_t count() const { return size_ == 0 ? 0 : values_.size() / size_; }
  [[nodiscard]] std::span<double> column(std::size_t j) { return std::span(values_).subspan(j * size_, size_); }

  /// Makes the columns orthonormal again, the first keeping its direction (QR by Gram and Schmidt, twice). Returns
  /// log R_jj: by how much each grew. −∞ for one that was in the span of those before it; it is drawn anew.
  std::vector<double> orthonormalise();

 private:
  std::size_t size_;
  std::vector<double> values_;
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

/// Of a Jacobian [n, n], row-major. The most a small difference grows in one loop.
double largest_singular_value(std::span<const double> jacobian, std::size_t n);
/// The largest |eigenvalue|: the rate at which a small difference would grow or shrink in many such loops.
double spectral_radius(std::span<const double> jacobian, std::size_t n);

}  // namespace gyre

#include "model/mapping.hpp"

#include <algorithm>
#include <cmath>

namespace gyre::arrange {

Arrangement transposed(std::size_t rows, std::size_t scaled_rows, float factor) {
  return [rows, scaled_rows, factor](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size() || out.size() % rows != 0) return false;
    const std::size_t columns = out.size() / rows;
    for (std::size_t r = 0; r < rows; ++r) {
      const float scale = r < scaled_rows ? factor : 1.0F;
      for (std::size_t c = 0; c < columns; ++c) out[r * columns + c] = scale * parts[0][c * rows + r];
    }
    return true;
  };
}

Arrangement halves_swapped(std::size_t columns) {
  return [columns](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size() || out.size() % columns != 0) return false;
    for (std::size_t i = 0; i < out.size(); i += columns) {
      std::rotate_copy(parts[0].data() + i, parts[0].data() + i + columns / 2, parts[0].data() + i + columns,
                       out.data() + i);
    }
    return true;
  };
}

Arrangement first_rows() {
  return [](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() < out.size()) return false;
    std::copy_n(parts[0].begin(), out.size(), out.begin());
    return true;
  };
}

Arrangement zeros_behind() {
  return [](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() > out.size()) return false;
    std::fill(std::copy(parts[0].begin(), parts[0].end(), out.begin()), out.end(), 0.0F);
    return true;
  };
}

Arrangement scaled(float factor) {
  return [factor](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size()) return false;
    std::transform(parts[0].begin(), parts[0].end(), out.begin(), [factor](float x) { return x * factor; });
    return true;
  };
}

Arrangement rows_by_sigmoid(std::size_t columns, float most) {
  return [columns, most](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size() || parts[1].size() * columns != out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = parts[0][i] * most / (1.0F + std::exp(-parts[1][i / columns]));
    }
    return true;
  };
}

Arrangement exponentials() {
  return [](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size()) return false;
    std::transform(parts[0].begin(), parts[0].end(), out.begin(), [](float x) { return std::exp(x); });
    return true;
  };
}

Arrangement plus_one() {
  return [](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size()) return false;
    std::transform(parts[0].begin(), parts[0].end(), out.begin(), [](float x) { return x + 1.0F; });
    return true;
  };
}

Arrangement first_scaled(std::size_t count, float factor) {
  return [count, factor](Recipe::Parts parts, std::span<float> out) {
    if (parts[0].size() != out.size() || count > out.size()) return false;
    std::copy(parts[0].begin(), parts[0].end(), out.begin());
    for (float& x : out.first(count)) x *= factor;
    return true;
  };
}

Arrangement rows_plus_first(std::size_t columns, std::size_t skipped) {
  return [columns, skipped](Recipe::Parts parts, std::span<float> out) {
    const std::size_t begin = skipped * columns;
    if (parts[0].size() < begin + out.size() || parts[1].size() < columns || out.size() % columns != 0) return false;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = parts[0][begin + i] + parts[1][i % columns];
    return true;
  };
}

Arrangement zeros() {
  return [](Recipe::Parts /*parts*/, std::span<float> out) {
    std::fill(out.begin(), out.end(), 0.0F);
    return true;
  };
}

}  // namespace gyre::arrange

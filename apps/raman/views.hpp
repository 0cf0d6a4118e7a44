#pragma once

#include <array>
#include <span>
#include <vector>

namespace gyre::raman {

/// The ways in which two spectra are compared: each makes a row of unit length of a spectrum, and a cosine of two.
enum View : int {
  kRoot,          ///< the input as the model sees it
  kPower,         ///< its square with its sign: the strong bands
  kSlope,         ///< differences of neighbouring points
  kPowerSlope,    ///< differences of the squares
  kFirstQuarter,  ///< a quarter of the grid alone
  kSecondQuarter,
  kThirdQuarter,
  kLastQuarter,
  kEmbedding,  ///< what a network makes of the spectrum; may be missing
  kViews
};

/// Rows of unit length; a row of nothing stays zero.
struct UnitRows {
  int width = 0;
  std::vector<float> values;  ///< [rows, width]

  [[nodiscard]] std::size_t size() const { return width == 0 ? 0 : values.size() / static_cast<std::size_t>(width); }
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    const auto length = static_cast<std::size_t>(width);
    return std::span(values).subspan(i * length, length);
  }
};
UnitRows unit_rows(std::vector<float> values, int width);

using Views = std::array<UnitRows, kViews>;

/// All views of inputs [n, points]; `embeddings` [n, any width] may be empty.
Views views_of(std::span<const float> inputs, int points, std::vector<float> embeddings);

/// The cosine of two rows of one view.
float cosine(std::span<const float> a, std::span<const float> b);

/// The best cosine of two rows when one is moved by up to `reach` points: spectrometers are not calibrated alike.
float shifted_cosine(std::span<const float> a, std::span<const float> b, int reach);

}  // namespace gyre::raman

#pragma once

#include <cstddef>
#include <iterator>

namespace gyre {

/// How the weights of a matrix are stored. All but the first two are codes: a block of neighbours in a row shares one
/// scale, an IEEE half, and a weight is scale · (code − zero), or scale · code + minimum.
enum class WeightType {
  f32,
  bf16,
  q8_0,     ///< blocks of 32, 8 bits
  q4_0,     ///< blocks of 32, 4 bits
  ternary,  ///< blocks of 256, 2 bits, of which 3 codes are used: the TQ2_0 of GGUF
  q4_1,     ///< blocks of 32, 4 bits, with a minimum
};

/// Rows of a panel: what one AVX-512 register holds of 32-bit sums.
inline constexpr std::size_t kPanelRows = 16;

/// Bytes of a vector of a panel.
inline constexpr std::size_t kPanelVector = 64;

/// What the kernels know of a type, and where what a step of its panels holds lies (see PackedMatrix).
struct WeightLayout {
  WeightType type;
  unsigned code_bits;         ///< of a code; 0: its numbers are multiplied as they are
  int zero_code;              ///< the code that stands for 0; of types with minima 0
  std::size_t block_columns;  ///< that share a scale
  std::size_t step_columns;   ///< of one step of a panel
  bool minima = false;        ///< whether a block has a minimum, a half beside its scale

  [[nodiscard]] constexpr bool is_coded() const { return code_bits > 0; }
  [[nodiscard]] constexpr std::size_t step_blocks() const { return step_columns / block_columns; }
  /// Where the halves of a step begin: the scales of each block, then the minima of each, 16 of either.
  [[nodiscard]] constexpr std::size_t scales_at() const { return step_columns * kPanelRows * code_bits / 8; }
  [[nodiscard]] constexpr std::size_t minima_at() const { return scales_at() + step_blocks() * kPanelRows * 2; }
  /// Bytes of one step.
  [[nodiscard]] constexpr std::size_t step_bytes() const {
    if (!is_coded()) return kPanelVector;
    const std::size_t end = minima ? minima_at() + step_blocks() * kPanelRows * 2 : minima_at();
    return (end + kPanelVector - 1) / kPanelVector * kPanelVector;
  }
};
/// In the order of the enumerators.
inline constexpr WeightLayout kWeightLayouts[] = {
    {WeightType::f32, 0, 0, 1, 1},    {WeightType::bf16, 0, 0, 1, 2},        {WeightType::q8_0, 8, 128, 32, 64},
    {WeightType::q4_0, 4, 8, 32, 64}, {WeightType::ternary, 2, 1, 256, 256}, {WeightType::q4_1, 4, 0, 32, 64, true},
};
constexpr const WeightLayout& layout_of(WeightType type) { return kWeightLayouts[static_cast<std::size_t>(type)]; }

/// Whether this is a block format, whose products are taken with activations that are rounded to bytes.
constexpr bool is_coded(WeightType type) { return layout_of(type).is_coded(); }

/// Calls `function` with the type as a template argument: function.template operator()<Type>().
template <typename Function>
void with_type(WeightType type, const Function& function) {
  switch (type) {
    case WeightType::f32:
      return function.template operator()<WeightType::f32>();
    case WeightType::bf16:
      return function.template operator()<WeightType::bf16>();
    case WeightType::q8_0:
      return function.template operator()<WeightType::q8_0>();
    case WeightType::q4_0:
      return function.template operator()<WeightType::q4_0>();
    case WeightType::ternary:
      return function.template operator()<WeightType::ternary>();
    case WeightType::q4_1:
      return function.template operator()<WeightType::q4_1>();
  }
}

}  // namespace gyre

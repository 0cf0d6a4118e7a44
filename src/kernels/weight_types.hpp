#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace gyre {

/// How the weights of a matrix are stored, by the names of GGUF. All but the first two are codes: a block of neighbours
/// in a row shares one scale, an IEEE half, and a weight is scale · (code − zero), or scale · code + minimum. In K
/// types runs within a block have whole numbers of their own by which scale and minimum are multiplied.
enum class WeightType {
  f32,
  bf16,
  q8_0,     ///< blocks of 32, 8 bits
  q4_0,     ///< blocks of 32, 4 bits
  ternary,  ///< blocks of 256, 2 bits, of which 3 codes are used: the TQ2_0 of GGUF
  q4_1,     ///< blocks of 32, 4 bits, with a minimum
  q4_k,     ///< blocks of 256, 4 bits, scales and minima for each 32
  q5_k,     ///< blocks of 256, 5 bits, scales and minima for each 32
  q6_k,     ///< blocks of 256, 6 bits, scales for each 16
  q5_0,     ///< blocks of 32, 5 bits
  q5_1,     ///< blocks of 32, 5 bits, with a minimum
  iq4_nl,   ///< blocks of 32, 4 bits that number the values of kIq4Codes
};

/// Rows of a panel: what one AVX-512 register holds of 32-bit sums.
inline constexpr std::size_t kPanelRows = 16;

/// Bytes of a vector of a panel.
inline constexpr std::size_t kPanelVector = 64;

/// What the codes of iq4_nl stand for, moved up by 128.
inline constexpr std::uint8_t kIq4Codes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

/// What the kernels know of a type, and where what a step of its panels holds lies (see PackedMatrix).
struct WeightLayout {
  WeightType type = WeightType::f32;
  unsigned code_bits = 0;         ///< of a code that lie together; 0: its numbers are multiplied as they are
  unsigned high_bits = 0;         ///< of a code above those, kept apart
  int zero_code = 0;              ///< the code that stands for 0; of types with minima 0
  std::size_t block_columns = 1;  ///< that share a half
  std::size_t scale_columns = 1;  ///< that share a scale: fewer in K types
  std::size_t step_columns = 1;   ///< of one step of a panel
  bool minima = false;

  [[nodiscard]] constexpr bool is_coded() const { return code_bits > 0; }
  [[nodiscard]] constexpr bool is_looked_up() const { return type == WeightType::iq4_nl; }
  [[nodiscard]] constexpr bool has_run_scales() const { return scale_columns < block_columns; }
  [[nodiscard]] constexpr std::size_t step_blocks() const { return step_columns / block_columns; }
  /// Where the high bits of a step begin, which follow its codes.
  [[nodiscard]] constexpr std::size_t high_at() const { return step_columns * kPanelRows * code_bits / 8; }
  /// Where the bytes of runs begin: 16 scales for each run, then 16 minima for each.
  [[nodiscard]] constexpr std::size_t runs_at() const { return high_at() + step_columns * kPanelRows * high_bits / 8; }
  [[nodiscard]] constexpr std::size_t run_minima_at() const { return runs_at() + run_bytes(); }
  /// Where the halves of a step begin: the scales of each block, then the minima of each, 16 of either.
  [[nodiscard]] constexpr std::size_t scales_at() const { return runs_at() + (minima ? 2 : 1) * run_bytes(); }
  [[nodiscard]] constexpr std::size_t minima_at() const { return scales_at() + step_blocks() * kPanelRows * 2; }
  /// Bytes of one step.
  [[nodiscard]] constexpr std::size_t step_bytes() const {
    if (!is_coded()) return kPanelVector;
    const std::size_t end = minima_at() + (minima ? step_blocks() * kPanelRows * 2 : 0);
    return (end + kPanelVector - 1) / kPanelVector * kPanelVector;
  }

 private:
  [[nodiscard]] constexpr std::size_t run_bytes() const {
    return has_run_scales() ? step_columns / scale_columns * kPanelRows : 0;
  }
};
/// In the order of the enumerators.
inline constexpr WeightLayout kWeightLayouts[] = {
    {WeightType::f32, 0, 0, 0, 1, 1, 1},
    {WeightType::bf16, 0, 0, 0, 1, 1, 2},
    {WeightType::q8_0, 8, 0, 128, 32, 32, 64},
    {WeightType::q4_0, 4, 0, 8, 32, 32, 64},
    {WeightType::ternary, 2, 0, 1, 256, 256, 256},
    {WeightType::q4_1, 4, 0, 0, 32, 32, 64, true},
    {WeightType::q4_k, 4, 0, 0, 256, 32, 256, true},
    {WeightType::q5_k, 4, 1, 0, 256, 32, 256, true},
    {WeightType::q6_k, 4, 2, 32, 256, 16, 256},
    {WeightType::q5_0, 4, 1, 16, 32, 32, 64},
    {WeightType::q5_1, 4, 1, 0, 32, 32, 64, true},
    {WeightType::iq4_nl, 4, 0, 128, 32, 32, 64},
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
    case WeightType::q4_k:
      return function.template operator()<WeightType::q4_k>();
    case WeightType::q5_k:
      return function.template operator()<WeightType::q5_k>();
    case WeightType::q6_k:
      return function.template operator()<WeightType::q6_k>();
    case WeightType::q5_0:
      return function.template operator()<WeightType::q5_0>();
    case WeightType::q5_1:
      return function.template operator()<WeightType::q5_1>();
    case WeightType::iq4_nl:
      return function.template operator()<WeightType::iq4_nl>();
  }
}

}  // namespace gyre

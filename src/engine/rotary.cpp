#include "engine/rotary.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "base/half.hpp"

namespace gyre {

int rotary_length(const ModelSpec& spec, int context) {
  if (spec.rotary_context == 0 || context <= spec.rotary_context) return 0;
  // Other divisors serve every longer sequence; a growing theta is another one for each.
  return spec.rotary_growth > 0 ? context : spec.rotary_context + 1;
}

Rotary::Rotary(const ModelSpec& spec) : spec_(spec), pairs_(static_cast<std::size_t>(spec.turned_channels() / 2)) {}

std::vector<double> Rotary::frequencies(int length, bool window) const {
  auto theta = static_cast<double>(window ? spec_.window_theta : spec_.rotary_theta);
  const auto size = static_cast<double>(2 * pairs_);
  if (length > 0 && !window && spec_.rotary_growth > 0) {
    const auto factor = static_cast<double>(spec_.rotary_growth);
    theta *= std::pow(factor * length / spec_.rotary_context - (factor - 1), size / (size - 2));
  }
  const bool by_long = length > 0 && !spec_.rotary_long_divisors.empty();
  const std::vector<float>& divisors = by_long ? spec_.rotary_long_divisors : spec_.rotary_divisors;
  std::vector<double> frequencies;
  for (std::size_t i = 0; i < pairs_; ++i) {
    frequencies.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs_)));
    if (!window && !divisors.empty()) frequencies.back() /= static_cast<double>(divisors[i]);
  }
  return frequencies;
}

void Rotary::grow(int length, bool window, int positions) {
  auto found = std::find_if(tables_.begin(), tables_.end(),
                            [&](const Table& table) { return table.length == length && table.window == window; });
  if (found == tables_.end()) {
    tables_.push_back({length, window, frequencies(length, window), {}, {}});
    found = tables_.end() - 1;
  }
  const auto scale = window ? 1.0 : static_cast<double>(spec_.rotary_scale);
  const bool coarse = spec_.rotary_bf16;
  const auto rounded = [coarse](double value) {
    const auto number = static_cast<float>(value);
    return coarse ? std::bit_cast<float>(std::uint32_t{to_bf16(number)} << 16U) : number;
  };
  // In f64 before rounding, so that far positions keep their angles, unless the model has them otherwise.
  for (int t = static_cast<int>(found->cosines.size() / pairs_); t < positions; ++t) {
    for (const double frequency : found->frequencies) {
      const double angle =
          coarse ? static_cast<double>(static_cast<float>(t) * static_cast<float>(frequency)) : t * frequency;
      found->cosines.push_back(rounded(scale * std::cos(angle)));
      found->sines.push_back(rounded(scale * std::sin(angle)));
    }
  }
}

void Rotary::reserve(int length, int positions) {
  if (spec_.position == PositionKind::learned) return;
  grow(length, false, positions);
  if (spec_.window_theta > 0) grow(0, true, positions);
}

Angles Rotary::at(int length, bool window, int position) const {
  const bool of_window = is_of_window(window);
  const std::size_t place = static_cast<std::size_t>(position) * pairs_;
  for (const Table& table : tables_) {
    if (table.window != of_window || (!of_window && table.length != length)) continue;
    return {table.cosines.data() + place, table.sines.data() + place};
  }
  return {};
}

}  // namespace gyre

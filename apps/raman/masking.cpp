#include "raman/masking.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"

namespace gyre::raman {

std::vector<std::uint8_t> hidden_points(int points, const Masking& masking, std::uint64_t seed) {
  std::vector<std::uint8_t> hidden(static_cast<std::size_t>(points), 0);
  const int wanted = static_cast<int>(std::ceil(masking.share * points));
  Random random(seed);
  for (int covered = 0; covered < wanted;) {
    // A stretch may begin ahead of the grid, so that points at the ends are hidden as often as others.
    const int begin = static_cast<int>(random.uniform() * (points + masking.width - 1)) - masking.width + 1;
    const int end = std::min(points, begin + masking.width);
    for (int i = std::max(0, begin); i < end; ++i) {
      std::uint8_t& point = hidden[static_cast<std::size_t>(i)];
      covered += 1 - point;
      point = 1;
    }
  }
  return hidden;
}

}  // namespace gyre::raman

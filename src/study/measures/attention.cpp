#include "study/measures/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gyre {

double entropy_of_scores(std::span<const double> scores) {
  if (scores.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  double below = 0;  // Σ e^d d of all d = score − largest
  for (const double score : scores) {
    const double share = std::exp(score - largest);
    total += share;
    below += share * (score - largest);
  }
  return std::log(total) - below / total;
}

}  // namespace gyre

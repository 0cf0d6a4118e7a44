#include "study/measures/segmentation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gyre {
namespace {

using Matrix = std::vector<std::vector<double>>;

/// gains[i][j]: what the segment i … j is worth.
Matrix gains_of(const Matrix& similarity) {
  const std::size_t n = similarity.size();
  Matrix gains(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t j = i; j < n; ++j) {
      sum += similarity[j][j];
      for (std::size_t k = i; k < j; ++k) sum += similarity[k][j] + similarity[j][k];
      gains[i][j] = sum / static_cast<double>(j - i + 1);
    }
  }
  return gains;
}

std::size_t representative(const Matrix& similarity, std::size_t first, std::size_t last) {
  std::size_t best = first;
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t i = first; i <= last; ++i) {
    double sum = 0;
    for (std::size_t j = first; j <= last; ++j) sum += i == j ? 0 : similarity[i][j];
    if (sum > most) {
      most = sum;
      best = i;
    }
  }
  return best;
}

}  // namespace

std::vector<Segment> best_segments(const std::vector<std::vector<double>>& similarity, std::size_t count) {
  Matrix known = similarity;
  for (std::vector<double>& row : known) {
    for (double& value : row) value = std::isfinite(value) ? value : 0;
  }
  const std::size_t n = known.size();
  const Matrix gains = gains_of(known);
  // best[c][j]: of the first j things in c segments; from[c][j]: where the last of these begins.
  Matrix best(count + 1, std::vector<double>(n + 1, -std::numeric_limits<double>::infinity()));
  std::vector<std::vector<std::size_t>> from(count + 1, std::vector<std::size_t>(n + 1, 0));
  best[0][0] = 0;
  for (std::size_t c = 1; c <= count; ++c) {
    for (std::size_t j = c; j <= n; ++j) {
      for (std::size_t i = c - 1; i < j; ++i) {
        const double value = best[c - 1][i] + gains[i][j - 1];
        if (value > best[c][j]) {
          best[c][j] = value;
          from[c][j] = i;
        }
      }
    }
  }
  std::vector<Segment> segments;
  for (std::size_t c = count, end = n; c > 0; end = from[c][end], --c) {
    const std::size_t first = from[c][end];
    segments.push_back({first, end - 1, representative(known, first, end - 1)});
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

}  // namespace gyre

#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gyre {

/// Neighbouring things that are taken together.
struct Segment {
  std::size_t first = 0;
  std::size_t last = 0;            ///< included
  std::size_t representative = 0;  ///< the one most like the others: the largest sum of similarities to them

  bool operator==(const Segment&) const = default;
};

/// The best cut of n things in a row into `count` segments (1 … n) by their similarities [n][n]: the largest
/// Σ over segments of (Σ of similarities inside, each with itself too) / size, which is what k-means would take in the
/// space of the similarity. Exact, by dynamic programming. Undefined similarities count as 0.
std::vector<Segment> best_segments(const std::vector<std::vector<double>>& similarity, std::size_t count);

}  // namespace gyre

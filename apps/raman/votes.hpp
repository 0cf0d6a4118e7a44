#pragma once

#include <span>
#include <vector>

#include "raman/library.hpp"
#include "raman/metrics.hpp"

namespace gyre::raman {

/// How sharply votes favour near spectra, and how many specimens' worth of the countries' shares is added to them.
struct VoteWidth {
  double sharpness = 20;
  double prior = 1;

  bool operator==(const VoteWidth&) const = default;
};

/// The widths that are tried.
const std::vector<VoteWidth>& vote_widths();

/// Votes on the country of one query, each from the pieces of the library that it may see and in which a specimen
/// counts once. All rows sum to one.
class Votes {
 public:
  Votes(const Library& library, const Comparison& comparison);

  /// Every piece votes with exp(sharpness · (likeness − 1)) of its best spectrum.
  [[nodiscard]] std::vector<double> by_kernel(const VoteWidth& width) const;
  /// The mineral is guessed, each with exp(sharpness · (likeness − the best likeness)) of its best spectrum, and its
  /// pieces are counted.
  [[nodiscard]] std::vector<double> by_mineral(const VoteWidth& width) const;
  /// The share of each country among the pieces, half a piece added to each.
  [[nodiscard]] const std::vector<double>& prior() const { return prior_; }
  /// The likeness of the nearest spectrum.
  [[nodiscard]] double best() const { return best_; }

 private:
  /// The pieces that are seen.
  struct Seen {
    std::size_t country;
    std::size_t mineral;  ///< place in minerals_
    double likeness;
  };
  struct Mineral {
    double likeness = kHidden;  ///< of its best spectrum
    double pieces = 0;
  };
  std::vector<Seen> pieces_;
  std::vector<Mineral> minerals_;
  std::vector<double> prior_;
  double best_ = kHidden;
};

}  // namespace gyre::raman

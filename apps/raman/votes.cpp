#include "raman/votes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gyre::raman {
namespace {

constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

/// `votes` with the prior added, scaled to a sum of one.
std::vector<double> with_prior(std::vector<double> votes, const std::vector<double>& prior, double weight) {
  double total = 0;
  for (std::size_t c = 0; c < votes.size(); ++c) total += votes[c] += weight * prior[c];
  for (double& v : votes) v /= total;
  return votes;
}

}  // namespace

const std::vector<VoteWidth>& vote_widths() {
  static const std::vector<VoteWidth> widths = [] {
    std::vector<VoteWidth> all;
    for (const double sharpness : {5.0, 10.0, 20.0, 40.0, 80.0}) {
      for (const double prior : {0.03, 0.1, 0.3, 1.0, 2.0, 4.0, 8.0}) all.push_back({sharpness, prior});
    }
    return all;
  }();
  return widths;
}

Votes::Votes(const Library& library, const Comparison& comparison)
    : prior_(static_cast<std::size_t>(library.examples().classes), 0.5) {
  std::vector<std::size_t> place_of(static_cast<std::size_t>(library.minerals()), kNowhere);
  double total = 0.5 * static_cast<double>(prior_.size());
  for (const Library::Piece& piece : library.pieces()) {
    float best = kHidden;
    for (const std::size_t spectrum : piece.spectra) best = std::max(best, comparison.likeness[spectrum]);
    if (best <= kHidden) continue;
    // Pieces of unknown minerals are each a mineral of their own.
    std::size_t place = piece.mineral < 0 ? kNowhere : place_of[static_cast<std::size_t>(piece.mineral)];
    if (place == kNowhere) {
      place = minerals_.size();
      minerals_.emplace_back();
      if (piece.mineral >= 0) place_of[static_cast<std::size_t>(piece.mineral)] = place;
    }
    minerals_[place].likeness = std::max(minerals_[place].likeness, double{best});
    minerals_[place].pieces += 1;
    pieces_.push_back({static_cast<std::size_t>(piece.country), place, best});
    best_ = std::max(best_, double{best});
    prior_[static_cast<std::size_t>(piece.country)] += 1;
    total += 1;
  }
  for (double& v : prior_) v /= total;
}

std::vector<double> Votes::by_kernel(const VoteWidth& width) const {
  std::vector<double> votes(prior_.size(), 0.0);
  for (const Seen& piece : pieces_) votes[piece.country] += std::exp(width.sharpness * (piece.likeness - 1));
  return with_prior(std::move(votes), prior_, width.prior);
}

std::vector<double> Votes::by_mineral(const VoteWidth& width) const {
  std::vector<double> weights;
  double total = 0;
  for (const Mineral& mineral : minerals_) {
    weights.push_back(std::exp(width.sharpness * (mineral.likeness - best_)));
    total += weights.back();
  }
  double rest = minerals_.empty() ? 1 : 0;
  for (std::size_t m = 0; m < minerals_.size(); ++m) {
    weights[m] /= total * (width.prior + minerals_[m].pieces);
    rest += weights[m] * width.prior;
  }
  std::vector<double> votes(prior_.size(), 0.0);
  for (const Seen& piece : pieces_) votes[piece.country] += weights[piece.mineral];
  return with_prior(std::move(votes), prior_, rest);
}

}  // namespace gyre::raman

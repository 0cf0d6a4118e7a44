#include "raman/evidence.hpp"

#include <algorithm>
#include <cmath>

namespace gyre::raman {
namespace {

double safe_log(double p) {
  constexpr double kLeast = 1e-9;
  return std::log(std::max(p, kLeast));
}

VoteWidth least_of(const std::vector<double>& losses) {
  const auto best = std::min_element(losses.begin(), losses.end());
  return vote_widths()[static_cast<std::size_t>(best - losses.begin())];
}

}  // namespace

Evidence gather_evidence(const Library& library, const Queries& queries, Protocol protocol,
                         std::span<const float> logits, std::size_t candidates, const VoteWidths& widths) {
  const auto classes = static_cast<std::size_t>(library.examples().classes);
  const Probabilities network = softmax(logits, classes);
  Evidence evidence;
  evidence.opinions = {classes, kVoices, {}};
  CandidateSearch search(library, queries, candidates);
  compare(library, queries, protocol, [&](const Comparison& comparison) {
    for (const std::size_t spectrum : search.add(comparison)) {
      evidence.likeness.push_back(comparison.likeness[spectrum]);
    }
    const Votes votes(library, comparison);
    const std::vector<double> neighbours = votes.by_kernel(widths.neighbours);
    const std::vector<double> mineral = votes.by_mineral(widths.mineral);
    const auto row = network.row(comparison.query);
    for (std::size_t c = 0; c < classes; ++c) {
      for (const double p : {row[c], neighbours[c], mineral[c], votes.prior()[c]}) {
        evidence.opinions.values.push_back(static_cast<float>(safe_log(p)));
      }
    }
    evidence.familiarity.push_back(votes.best());
  });
  evidence.candidates = search.take();
  return evidence;
}

WidthLosses::WidthLosses() : neighbours(vote_widths().size(), 0.0), mineral(vote_widths().size(), 0.0) {}

void WidthLosses::add(const Library& library, const Queries& queries, Protocol protocol,
                      const std::vector<bool>& counted, std::span<const int> truth) {
  compare(library, queries, protocol, [&](const Comparison& comparison) {
    if (!counted[comparison.query]) return;
    const Votes votes(library, comparison);
    const auto t = static_cast<std::size_t>(truth[comparison.query]);
    for (std::size_t w = 0; w < vote_widths().size(); ++w) {
      neighbours[w] -= safe_log(votes.by_kernel(vote_widths()[w])[t]);
      mineral[w] -= safe_log(votes.by_mineral(vote_widths()[w])[t]);
    }
  });
}

VoteWidths WidthLosses::best() const { return {least_of(neighbours), least_of(mineral)}; }

}  // namespace gyre::raman

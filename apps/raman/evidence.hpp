#pragma once

#include <span>
#include <vector>

#include "raman/candidates.hpp"
#include "raman/log_linear.hpp"
#include "raman/votes.hpp"

namespace gyre::raman {

/// Whose opinions on the country of a stone that is not in the library are mixed, in the order of Opinions.
enum Voice : int { kNetwork, kNeighbours, kMineral, kPrior, kVoices };

/// All that speaks for the countries of some queries.
struct Evidence {
  Candidates candidates;
  std::vector<float> likeness;      ///< of the candidates, [queries, each]
  Opinions opinions;                ///< of the voices, log-probabilities
  std::vector<double> familiarity;  ///< the likeness of the nearest spectrum
};

struct VoteWidths {
  VoteWidth neighbours;
  VoteWidth mineral;
};

/// `logits` are the network's, [queries, classes].
Evidence gather_evidence(const Library& library, const Queries& queries, Protocol protocol,
                         std::span<const float> logits, std::size_t candidates, const VoteWidths& widths);

/// Adds the log loss of every width's votes on those queries that `counted` names: [vote_widths()] each.
struct WidthLosses {
  std::vector<double> neighbours;
  std::vector<double> mineral;

  WidthLosses();
  void add(const Library& library, const Queries& queries, Protocol protocol, const std::vector<bool>& counted,
           std::span<const int> truth);
  [[nodiscard]] VoteWidths best() const;
};

}  // namespace gyre::raman

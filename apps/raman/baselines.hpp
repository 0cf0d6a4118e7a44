#pragma once

#include <string>
#include <vector>

#include "raman/backend.hpp"
#include "raman/metrics.hpp"

namespace gyre::raman {

// Predictors that a model has to beat. Each sees the training examples alone.

/// The countries' shares among the training examples, whatever the spectrum.
Probabilities majority_baseline(const Examples& training, const Examples& test);

/// The countries' shares among the training examples of the same mineral, ties broken by the shares of all. It is told
/// the mineral, which a spectrum does not tell for sure. Minerals that were not trained on get the majority.
Probabilities mineral_baseline(const Examples& training, const Examples& test);

/// The country of the most similar training spectrum by cosine. The countries are ranked by their best spectrum, with
/// probabilities proportional to exp(20 · cosine).
Probabilities neighbour_baseline(const Examples& training, const Examples& test);

/// Multinomial logistic regression on the preprocessed spectrum with an L2 penalty on the weights.
Probabilities linear_baseline(const Examples& training, const Examples& test);

struct BaselineKind {
  std::string name;
  std::string title;
  Probabilities (*predict)(const Examples& training, const Examples& test);
};
const std::vector<BaselineKind>& baseline_kinds();

}  // namespace gyre::raman

#pragma once

#include <string>
#include <vector>

#include "raman/backend.hpp"
#include "raman/folds.hpp"
#include "raman/metrics.hpp"

namespace gyre::raman {

/// What a baseline is given. It learns, and tunes what it has to tune, on the training examples alone: on what it says
/// of each of them from the others that its protocol lets it see.
struct BaselineTask {
  const Examples& training;
  const Examples& test;
  Protocol protocol = Protocol::specimen;
};

// Predictors that a model has to beat. Where they have a width, a penalty or a temperature, it is the one of least log
// loss on the training examples, held out; a specimen counts once in all of them but the last.

/// The countries' shares among the training specimens, whatever the spectrum.
Probabilities majority_baseline(const BaselineTask& task);

/// The countries' shares among the training specimens of the same mineral, with those of all specimens added. It is
/// told the mineral, which a spectrum does not tell for sure. Minerals that were not trained on get the majority.
Probabilities mineral_baseline(const BaselineTask& task);

/// The country of the most similar training spectrum by cosine. The countries are ranked by their best spectrum, with
/// probabilities of a softmax over the cosines.
Probabilities neighbour_baseline(const BaselineTask& task);

/// Votes of all training specimens, which fall with their distance.
Probabilities kernel_baseline(const BaselineTask& task);

/// Multinomial logistic regression on the preprocessed spectrum with an L2 penalty on the weights.
Probabilities linear_baseline(const BaselineTask& task);

struct BaselineKind {
  std::string name;
  std::string title;
  Probabilities (*predict)(const BaselineTask& task);
};
const std::vector<BaselineKind>& baseline_kinds();

}  // namespace gyre::raman

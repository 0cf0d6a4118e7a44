#pragma once

#include <vector>

#include "raman/backend.hpp"
#include "raman/metrics.hpp"

namespace gyre::raman {

/// Multinomial logistic regression on inputs of unit length and a constant.
class LinearModel {
 public:
  /// `penalty`: of half the squared weights, against the mean log loss.
  LinearModel(const Examples& training, float penalty);

  [[nodiscard]] Probabilities probabilities(const Examples& examples) const;

 private:
  std::size_t classes_;
  std::vector<float> weights_;  ///< [points + 1, classes]
};

}  // namespace gyre::raman

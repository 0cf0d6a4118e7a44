#pragma once

#include "train/parameters.hpp"

namespace gyre {

/// A running mean of the parameters of a model (Polyak and Juditsky 1992, with exponential weights): after every step
/// a ← d · a + (1 − d) · p, where d is the decay, or (1 + step) / (10 + step) while that is less, so that the first
/// weights are soon forgotten. It has the names of the model's parameters.
class WeightAverage : public Parameters {
 public:
  WeightAverage(const Parameters& model, double decay);

  /// `step` counts from 1.
  void update(const Parameters& model, int step);

 private:
  double decay_;
};

}  // namespace gyre

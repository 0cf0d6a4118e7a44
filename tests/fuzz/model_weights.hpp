#pragma once

#include <cmath>

#include "fuzz/input.hpp"
#include "model/model.hpp"

namespace gyre::fuzz {

/// Reads every weight of a model where it lies.
inline void read_weights(const Model& model) {
  for (const TensorInfo& info : tensor_table(model.spec())) {
    for (const float weight : model.tensor(info.name)) require(!std::isnan(weight), "weights are numbers");
  }
}

}  // namespace gyre::fuzz

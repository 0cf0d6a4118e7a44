#pragma once

#include <torch/types.h>

#include "model/spec.hpp"

namespace gyre {

/// What a parameter of a fresh model starts as, of the generator of LibTorch: normal weights of standard deviation
/// 0.02, those that write into the state smaller by sqrt(2 · applications) as in GPT-2, so that the state's variance
/// does not depend on how often the layers run; norms and scales one, biases zero. What blends two states starts as the
/// mean of them or as the state alone; the gain of queries at 5, as in Parameter Golf.
torch::Tensor initial_value(const TensorInfo& info, const ModelSpec& spec);

}  // namespace gyre

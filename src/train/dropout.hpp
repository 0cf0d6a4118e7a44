#pragma once

#include <torch/types.h>

#include "train/ranks.hpp"

namespace gyre {

/// `x` [rows, ...], whose rows are a share of a batch, with numbers dropped at `rate` and the rest scaled up by
/// 1 / (1 - rate). What is dropped is drawn by LibTorch's generator for the whole batch, so that a row loses the same
/// numbers on however many ranks the batch is divided over.
torch::Tensor dropped(const torch::Tensor& x, double rate, const RowShare& share);

}  // namespace gyre

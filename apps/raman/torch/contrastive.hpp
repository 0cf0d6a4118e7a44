#pragma once

#include <torch/types.h>

#include <span>

namespace gyre::raman {

/// The supervised contrastive loss (Khosla et al. 2020) of a batch, in nats: rows of the same specimen are drawn
/// together and pushed from all others, those of the same mineral among them. Rows that stand alone in the batch, or
/// whose specimen is not known (negative), are negatives only. embedding [rows, width] of unit length. Zero without any
/// pair.
torch::Tensor contrastive_loss(const torch::Tensor& embedding, std::span<const int> specimens, double temperature);

}  // namespace gyre::raman

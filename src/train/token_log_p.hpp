#pragma once

#include <torch/types.h>

#include <cstdint>

#include "train/torch_model.hpp"

namespace gyre {

/// log p (nats) of `targets` [n] (int64) by the states [n, hidden] that read them, [n]. No more than `together` logits
/// are kept at once: those of few tokens after one another, computed again on the way back, so that memory does not
/// grow with n · vocabulary.
torch::Tensor log_p_of(const TorchModel& model, const torch::Tensor& states, const torch::Tensor& targets,
                       Precision precision, std::int64_t together);

}  // namespace gyre

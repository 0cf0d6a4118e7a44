#pragma once

#include <torch/types.h>

#include <string>

namespace gyre {

/// The device of "cpu", "cuda" or "cuda:N", where a model is trained. Throws Error naming `text` where it is none of
/// these, or where this LibTorch or this machine has not got it.
torch::Device training_device(const std::string& text);

}  // namespace gyre

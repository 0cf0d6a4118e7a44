#pragma once

#include <optional>

#include "raman/backend.hpp"
#include "raman/torch/config.hpp"
#include "raman/torch/convnext.hpp"

namespace gyre::raman {

/// Trains a trunk on the request's examples and on its spectra of no country, whatever they are labelled with: spectra
/// of one mineral are drawn together, and hidden stretches reconstructed. Goes on from the checkpoints in the request's
/// folder. None when a stop was requested.
std::optional<ConvNext> pretrain(const FitRequest& request, const ConvNextConfig& model, const FitConfig& fit,
                                 const PretrainingConfig& config);

}  // namespace gyre::raman

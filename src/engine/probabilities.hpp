#pragma once

#include <span>

namespace gyre {

/// Natural-log probabilities of logits; `out` may be `logits`.
void log_softmax(std::span<const float> logits, std::span<float> out);

/// KL(p ‖ q) in nats of two distributions given by log-probabilities.
double kl_divergence(std::span<const float> log_p, std::span<const float> log_q);

/// Entropy in nats.
double entropy(std::span<const float> log_p);

}  // namespace gyre

#pragma once

#include <torch/types.h>

#include <cstddef>
#include <span>
#include <vector>

#include "tune/advantages.hpp"

namespace gyre {

/// Of n drawn tokens: natural logarithms of their probabilities, what they are worth, and their shares in the mean, all
/// [n].
struct PolicyTokens {
  torch::Tensor now;        ///< takes the gradient
  torch::Tensor sampled;    ///< constants
  torch::Tensor advantage;  ///< of their completions
  torch::Tensor share;
};

/// Σ share · −min(ρ A, clip(ρ) A) with ρ = exp(now − sampled): the policy's term of token_loss().
torch::Tensor policy_term(const PolicyTokens& tokens, const PolicyLossSettings& settings);

/// Σ share · k3 of KL(π ‖ π_ref).
torch::Tensor divergence_term(const torch::Tensor& now, const torch::Tensor& reference, const torch::Tensor& share);

/// The share of one token of each completion in batch_loss(): 1 / (completions · length), 1 / (completions ·
/// most_tokens), or 1 / (tokens of all).
std::vector<double> token_shares(std::span<const std::size_t> lengths, LossMean mean, std::size_t most_tokens);

/// Weights w_t of T loops in proportion to (t / T)^power, of sum 1: uniform with a power of 0.
std::vector<double> progressive_weights(std::size_t loops, double power);

/// [T, n]: the probability that gates (logits, [T, n]) leave after each loop, the last one taking what is left.
torch::Tensor exit_probabilities(const torch::Tensor& gates);

}  // namespace gyre
